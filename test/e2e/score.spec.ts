import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { SconceClient, type Batch } from '@sconce/client';
import { eventually, temporaryFolder } from '@sconce/testing';
import { sconce, startSconce } from '../support/cli.ts';
import { startStack, type Stack } from '../support/stack.ts';

// `sconce score` and `sconce batches`, as a user runs them.

const EXAMPLES = fileURLToPath(new URL('../../examples/digits/', import.meta.url));

let stack: Stack;
let folder: string;
let env: Record<string, string>;

beforeAll(async () => {
  stack = await startStack();
  await Promise.all([stack.pushFile(join(EXAMPLES, 'digits.onnx'), 'digits'), stack.push('slow')]);
  folder = temporaryFolder('score');
  env = { SCONCE_URL: stack.url };
});

const path = (name: string): string => join(folder, name);

describe('sconce score', () => {
  it('scores the held-out rows with PyTorch’s accuracy', async () => {
    const args = ['score', 'digits', join(EXAMPLES, 'heldout.csv'), '-o', path('scored.csv')];
    const { code, stdout } = await sconce(
      [...args, '--input', 'pixels=p*', '--output', 'digit=argmax(logits)', '--keep', 'label'],
      env,
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/^500 rows scored in .* rows\/s\): .*scored\.csv$/m);
    const [header, ...rows] = readFileSync(path('scored.csv'), 'utf8').trimEnd().split('\n');
    expect([header, rows.length]).toEqual(['label,digit', 500]);
    expect(rows.filter((row) => row.split(',')[0] === row.split(',')[1]).length).toBe(490);
  });

  it('fails if every row fails, and leaves nothing under the name of the results', async () => {
    writeFileSync(path('none.csv'), 'pixels\n"[1, 2]"\nx\n');
    const { code, stderr } = await sconce(['score', 'digits', path('none.csv'), '-o', path('none.out.csv')], env);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/All 2 rows failed/)]);
    expect(existsSync(path('none.out.csv'))).toBe(false);
    const errors = readFileSync(path('none.out.csv.errors.jsonl'), 'utf8').trimEnd().split('\n');
    expect(errors.map((line) => (JSON.parse(line) as { row: number }).row)).toEqual([1, 2]);
  });

  it('writes failed rows to a second file, and says so', async () => {
    writeFileSync(
      path('some.csv'),
      `id,${Array.from({ length: 64 }, (_, p) => `p${p}`).join(',')}\n1,${'1,'.repeat(63)}1\n2,x${',1'.repeat(63)}\n`,
    );
    const { code, stdout } = await sconce(
      ['score', 'digits', path('some.csv'), '-o', path('some.jsonl'), '--input', 'pixels=p*', '--json'],
      env,
    );
    expect([code, JSON.parse(stdout)]).toMatchObject([
      0,
      { status: 'completed', request_counts: { completed: 1, failed: 1 }, output: path('some.jsonl') },
    ]);
    expect(JSON.parse(readFileSync(`${path('some.jsonl')}.errors.jsonl`, 'utf8'))).toMatchObject({
      row: 2,
      error: { param: 'p0' },
    });
  });

  it('a dry run shows how the file is read and what its first rows give, and sends no file', async () => {
    const options = ['--input', 'pixels=p*', '--output', 'digit=argmax()', '--keep', 'label', '--dry-run'];
    const shown = await sconce(['score', 'digits', join(EXAMPLES, 'heldout.csv'), ...options], env);
    expect([shown.code, shown.stderr]).toEqual([0, '']);
    expect(shown.stdout).toMatch(
      /heldout\.csv fits digits version 1\n {2}file +csv, about \d+ rows, 74\.4 KiB, utf-8, comma/,
    );
    expect(shown.stdout).toMatch(/inputs +pixels FP32\[-1,64\]: 64 columns: p0, p1, p2, …, p63/);
    expect(shown.stdout).toMatch(/results +label BYTES, digit INT64/);
    expect(shown.stdout).toMatch(/first rows 1: .*label=7 .* → digit=7\n/);
    for (const line of shown.stdout.split('\n').slice(1)) expect(line.length).toBeLessThanOrEqual(80);
    const { stdout } = await sconce(['score', 'digits', join(EXAMPLES, 'heldout.csv'), ...options, '--json'], env);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: true,
      model: 'digits',
      version: '1',
      sample: { rows: 64, failed: 0 },
      rows: [{ result: { label: '7', digit: 7 } }, {}, {}, {}, {}],
    });
  });

  it('a file that does not fit is refused before it is sent, with the option to add', async () => {
    const uploads = async (): Promise<number> => {
      let files = 0;
      for await (const _ of new SconceClient({ url: stack.url }).files.list()) files += 1;
      return files;
    };
    const before = await uploads();
    for (const more of [['--dry-run'], ['-o', path('never.csv')], ['--detach']]) {
      const refused = await sconce(['score', 'digits', join(EXAMPLES, 'heldout.csv'), ...more], env);
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("\nAdd --input 'pixels=p*'\n")]);
    }
    expect(await uploads()).toBe(before);
  });

  it.each<[string, string[], 1 | 2, RegExp]>([
    ['no model', ['score', 'none', join(EXAMPLES, 'heldout.csv'), '-o', 'x.csv'], 1, /no model|none/i],
    ['no file', ['score', 'digits', 'nothing.csv', '-o', 'x.csv'], 2, /nothing\.csv does not exist/],
    ['no format', ['score', 'digits', join(EXAMPLES, 'README.md'), '-o', 'x.csv'], 2, /README\.md is unknown/],
    ['nowhere to go', ['score', 'digits', join(EXAMPLES, 'heldout.csv')], 2, /No file for the results/],
    [
      'columns it does not find',
      ['score', 'digits', join(EXAMPLES, 'heldout.csv'), '-o', 'x.csv'],
      1,
      /No column has the name of the model's input "pixels"/,
    ],
    [
      'an output it cannot read',
      ['score', 'digits', join(EXAMPLES, 'heldout.csv'), '-o', 'x.csv', '--output', 'y=median(x)'],
      2,
      /--output takes/,
    ],
  ])('says what is wrong: %s', async (_, args, code, message) => {
    const result = await sconce(args, env);
    expect(result.code).toBe(code);
    expect(result.stderr).toMatch(message);
    expect(result.stderr.trimEnd().split('\n').length).toBeLessThanOrEqual(3);
    expect(existsSync('x.csv')).toBe(false);
  });

  it('lets the batch run on when it is interrupted without a terminal; `batches` lists, cancels, retries and downloads it', async () => {
    writeFileSync(path('slow.csv'), `steps\n${'3000\n'.repeat(200)}`);
    const { child, ended } = startSconce(['score', 'slow', path('slow.csv'), '-o', path('slow.out.csv')], env);
    const client = new SconceClient({ url: stack.url });
    const batch = await eventually(
      async () => {
        for await (const each of client.batches.list())
          if (each.model === 'slow' && each.status === 'in_progress') return each;
        throw new Error('not yet');
      },
      { timeoutMs: 20_000 },
    );
    child.kill('SIGINT');
    const { code, stderr } = await ended;
    expect([code, stderr]).toEqual([1, expect.stringMatching(new RegExp(`${batch.id} has not ended.*download`, 's'))]);
    const listed = JSON.parse((await sconce(['batches', '--json'], env)).stdout) as Batch[];
    expect(listed[0]).toMatchObject({ id: batch.id, status: 'in_progress' });
    expect((await sconce(['batches', 'cancel', batch.id], env)).stdout).toMatch(/cancelling/);
    expect((await sconce(['batches', 'watch', batch.id], env)).stdout).toMatch(/cancelled/);
    expect((await sconce(['batches', 'show', batch.id], env)).stdout).toMatch(/slow version 1/);
    const fetched = await sconce(['batches', 'download', batch.id, '-o', path('part.csv')], env);
    expect([fetched.code, fetched.stderr]).toEqual([1, expect.stringMatching(/was cancelled/)]);
    expect(readFileSync(path('part.csv'), 'utf8')).toMatch(/^y/);
    expect((await sconce(['batches', 'retry', batch.id], env)).stdout).toMatch(/in_progress/);
    await client.batches.cancel(batch.id);
    await client.batches.wait(batch.id);
  });
});
