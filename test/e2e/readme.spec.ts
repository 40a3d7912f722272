import { execFile, spawnSync } from 'node:child_process';
import { readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '@sconce/testing';
import { sconce, startSconce } from '../support/cli.ts';

// The tour of the README, line by line as a reader pastes it: the lines of the blocks that begin with "```sh tour".

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');
const LINES = [...README.matchAll(/^```sh tour\n(.*?)^```/gms)].flatMap(([, block = '']) => block.trim().split('\n'));
/** Printed after each line, so that its output can be told from the next one's. */
const MARK = '@@ end of line';

/** What the output of each line has to match: the beginning of the line, and a pattern. */
const EXPECTED: readonly (readonly [string, RegExp])[] = [
  ['npx sconce push ', /digits version 1: ready/],
  ['npx sconce models show ', /digits[\s\S]*ready/],
  ['npx sconce infer ', /output_0 FP32\[1,10\]\n +-9\.25/],
  ['npx sconce score ', /500 rows/],
  ['head ', /^id,label,digit\n7,7,7\n8,8,8\n?$/],
  ['npx sconce bench ', /64 +[\d,]+/],
  ['curl -s http://127.0.0.1:8000/v2/models/digits/infer', /"shape":\[1,10\]/],
  ['JOB=', /^$/],
  ['curl -s "http://127.0.0.1:8000/v1/jobs/$JOB"', /"status":"(queued|running|succeeded)"/],
  ['npx sconce trace ', /^job \S+: succeeded, digits version 1/],
  ['curl -s "http://127.0.0.1:8000/v1/jobs/$JOB/result"', /"shape":\[3,10\]/],
  ['BATCH=', /^$/],
  ['npx sconce batches watch ', /completed/],
  ['curl -s "http://127.0.0.1:8000/v1/batches/$BATCH"', /"status":"completed"/],
  ['curl -s "http://127.0.0.1:8000/v1/batches/$BATCH/output"', /^output_0_0,[\s\S]*\n-9\.25/],
];

/** The tour uses curl, which small images lack. */
const HAS_CURL = spawnSync('curl', ['--version']).status === 0;

describe.skipIf(!HAS_CURL)('the tour of the README', () => {
  let outputs: readonly string[];

  beforeAll(async () => {
    const up = startSconce(['up', '--port', '0', '--data', temporaryFolder('readme-data'), '--json']);
    const { url } = JSON.parse(await up.firstLine) as { url: string };
    const folder = temporaryFolder('readme');
    for (const name of ['examples', 'node_modules', 'package.json']) symlinkSync(join(ROOT, name), join(folder, name));
    const program = [
      'set -e',
      ...LINES.flatMap((line) => [line.replaceAll('http://127.0.0.1:8000', url), `echo '${MARK}'`]),
    ];
    const { stdout } = await promisify(execFile)('bash', ['-c', program.join('\n')], {
      cwd: folder,
      env: { PATH: `${join(ROOT, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`, HOME: folder, SCONCE_URL: url },
      maxBuffer: 16 * 1024 ** 2,
    });
    outputs = stdout.split(`${MARK}\n`).slice(0, -1);
    up.child.kill('SIGTERM');
    expect((await up.ended).code).toBe(0);
  }, 180_000);

  it('has the lines that are checked here, and no placeholders', () => {
    expect(LINES.map((line, index) => line.startsWith(EXPECTED[index]?.[0] ?? 'nothing'))).toEqual(
      EXPECTED.map(() => true),
    );
    expect(LINES.filter((line) => /…|\.\.\.|\bID\b/.test(line))).toEqual([]);
    expect(outputs).toHaveLength(LINES.length);
  });

  it.each(EXPECTED.map(([line, pattern], index) => ({ line, pattern, index })))('$line', ({ pattern, index }) => {
    expect(outputs[index]).toMatch(pattern);
    expect(outputs[index]).not.toMatch(/"error":\s*[{"]/);
  });
});

it('every offline command of the README exists', async () => {
  const commands = [...README.matchAll(/npx sconce ([a-z]+)/g)].map(([, command = '']) => command);
  const { stdout } = await sconce(['--help']);
  expect(commands.filter((command) => !new RegExp(`^  ${command} `, 'm').test(stdout))).toEqual([]);
});
