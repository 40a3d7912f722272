import { execFile } from 'node:child_process';
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, expect, it } from 'vitest';
import { temporaryFolder } from '@sconce/testing';

// The npm package as a user has it: packed, installed into an empty project without a network, and started from there.

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);
/** A project whose packages see only what they depend on, as pnpm lays them out. */
const project = temporaryFolder('npm-package');
const installed = join(project, 'node_modules/sconce');
const env = {
  ...process.env,
  PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`,
  SCONCE_URL: undefined,
};

const sconce = async (...args: string[]): Promise<string> =>
  (await run(join(project, 'node_modules/.bin/sconce'), args, { cwd: project, env })).stdout;

beforeAll(async () => {
  const { stdout } = await run(process.execPath, ['tools/npm-package.ts', project, '--own-system'], { cwd: ROOT });
  writeFileSync(join(project, 'package.json'), '{"private":true}');
  const options = ['--offline', '--install-strategy=linked', '--no-audit', '--no-fund'];
  await run('npm', ['install', ...options, stdout.trim()], { cwd: project, env });
}, 300_000);

it('has its licences and its description, and nothing that a user does not need', () => {
  const files = readdirSync(`${installed}/`, { recursive: true, encoding: 'utf8' });
  const own = files.filter((file) => !file.startsWith('node_modules'));
  expect(own).toEqual(expect.arrayContaining(['LICENSE', 'NOTICE', 'README.md', 'apps/cli/bin/sconce.mjs']));
  expect(own.filter((file) => /\.(map|ts|spec\.\w+)$/.test(file))).toEqual([]);
  for (const app of ['cli', 'api', 'worker']) expect(own).toContain(`apps/${app}/dist/THIRD-PARTY-NOTICES.txt`);
  const scripts = files.filter((file) => /^node_modules\/(@[^/]+\/)?[^/]+\/package\.json$/.test(file));
  expect(scripts.length).toBeGreaterThan(2);
  for (const file of scripts)
    expect(JSON.parse(readFileSync(join(installed, file), 'utf8'))).not.toHaveProperty('scripts');
  const [packed = ''] = readdirSync(project).filter((name) => name.endsWith('.tgz'));
  expect(statSync(join(project, packed)).size).toBeLessThan(40 * 1024 ** 2);
});

it('compiles and checks a model on its own', async () => {
  const model = join(installed, 'examples/digits/digits.pt');
  expect(await sconce('--version')).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect(await sconce('inspect', model)).toContain('pixels');
  await sconce('compile', model, '-o', join(project, 'digits.onnx'));
  expect(await sconce('inspect', join(project, 'digits.onnx'))).toContain('pixels');
});

it('runs the demo: API, worker, registration, batch and trace', async () => {
  const answer = JSON.parse(await sconce('demo', '--json')) as { accuracy: number };
  expect(answer.accuracy).toBeGreaterThan(0.97);
}, 180_000);
