/**
 * Measures rows per second of a batch, from the first uploaded byte to the last downloaded result. It is compared with a loop that
 * only runs the model at its best number of rows. Rounds alternate; the median of their ratios counts. Run `npm run build` first.
 *
 *     node --conditions=@sconce/source bench/batches/throughput.bench.ts [--models MODELS] [--rounds 5]
 *
 * MODELS is the folder of `bench/peers/export_models.py FOLDER --served`; without it there is no ResNet-18.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { SconceClient, type TableRequest } from '@sconce/client';
import type { Tensor } from '@sconce/tensor';
import { writeLargeModel } from '../registration/large-model.ts';
import { repeatRow } from '../serving/models.ts';
import type { BarePlan, BareReport } from '../serving/bare-loop.ts';
import { inProcess, median } from '../support/in-process.ts';
import { residentMiB, startBenchStack } from '../support/stack.ts';

const { values } = parseArgs({ options: { models: { type: 'string' }, rounds: { type: 'string', default: '5' } } });
const ROUNDS = Number(values.rounds);
const BARE_SECONDS = 3;
const DIGITS = fileURLToPath(new URL('../../examples/digits/digits.onnx', import.meta.url));

/** A model and a dataset that keeps it busy for some seconds. */
interface Case {
  readonly name: string;
  readonly path: string;
  readonly row: Tensor;
  readonly request: Omit<TableRequest, 'model'>;
  readonly dataset: Uint8Array<ArrayBuffer>;
  readonly filename: string;
  readonly rows: number;
}

const scratch = mkdtempSync(join(tmpdir(), 'sconce-bench-'));
const stack = await startBenchStack({ data: join(scratch, 'data') });
try {
  const client = new SconceClient({ url: stack.url });
  const lines = [
    '| model | dataset | rows | best rows | bare rows/s | batch rows/s | ratio | worker MiB |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
  ];
  for (const each of cases()) {
    const { performance: measured } = await push(client, each);
    const bestRows = measured?.best_rows ?? 1;
    const results: { bare: number; batch: number }[] = [];
    let worker = 0;
    for (let round = 0; round <= ROUNDS; round++) {
      const batch = await batchRate(client, each);
      worker = Math.max(worker, residentMiB(stack.pids.workers[0] ?? 0));
      const bare = await bareRate(each, bestRows);
      process.stderr.write(`${each.name}: bare ${Math.round(bare)}, batch ${Math.round(batch)} rows/s\n`);
      // The first round warms up.
      if (round > 0) results.push({ bare, batch });
    }
    const figures = [
      each.name,
      each.filename,
      each.rows,
      bestRows,
      median(results.map(({ bare }) => bare)),
      median(results.map(({ batch }) => batch)),
    ];
    const ratio = median(results.map(({ bare, batch }) => batch / bare)).toFixed(2);
    lines.push(
      `| ${figures.map((figure) => (typeof figure === 'number' ? Math.round(figure).toLocaleString('en') : figure)).join(' | ')} | ${ratio} | ${Math.round(worker)} |`,
    );
  }
  console.log(lines.join('\n'));
} finally {
  await stack.stop();
  rmSync(scratch, { recursive: true, force: true });
}

function cases(): readonly Case[] {
  const mlp = join(scratch, 'mlp.onnx');
  writeLargeModel(mlp, [64, 1024, 1024, 10]);
  return [
    { ...table('digits', DIGITS, { name: 'pixels', rows: 500_000, value: (cell) => String((cell * 7919) % 17) }) },
    { ...table('mlp', mlp, { name: 'x', rows: 300_000, value: (cell) => (Math.sin(cell) * 2).toFixed(6) }) },
    ...(values.models === undefined ? [] : [images('resnet18', join(values.models, 'resnet18'))]),
  ];
}

/** CSV with 64 columns; the result is the class. */
function table(
  name: string,
  path: string,
  given: { name: string; rows: number; value: (cell: number) => string },
): Case {
  const header = `id,${Array.from({ length: 64 }, (_, column) => `c${column}`).join(',')}\n`;
  const block = Array.from({ length: 1_000 }, (_, row) =>
    Array.from({ length: 64 }, (_cell, column) => given.value(row * 64 + column)).join(','),
  );
  const parts = [header];
  for (let row = 0; row < given.rows; row += 1_000)
    parts.push(block.map((cells, index) => `${row + index},${cells}\n`).join(''));
  return {
    name,
    path,
    row: { name: given.name, datatype: 'FP32', shape: [1, 64], data: new Uint8Array(64 * 4) },
    request: {
      inputs: { [given.name]: 'c*' },
      outputs: [{ name: 'class', transform: 'argmax' }],
      pass_through: ['id'],
    },
    dataset: new Uint8Array(Buffer.from(parts.join(''))),
    filename: 'rows.csv',
    rows: given.rows,
  };
}

/** Rows of 224 × 224 pixels, in NumPy's format. */
function images(name: string, folder: string): Case {
  const rows = 1_200;
  const shape = [3, 224, 224];
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${[rows, ...shape].join(', ')}), }`;
  const header = Buffer.alloc(128, ' ');
  header.write('\x93NUMPY\x01\x00v\x00', 'latin1');
  header.write(text, 10, 'latin1');
  header[127] = 10;
  const pixels = Float32Array.from({ length: 3 * 224 * 224 }, (_, index) => Math.sin(index));
  const row = new Uint8Array(pixels.buffer);
  const data = Buffer.concat([header, ...Array.from({ length: rows }, () => row)]);
  return {
    name,
    path: join(folder, 'model.onnx'),
    row: { name: inputOf(folder), datatype: 'FP32', shape: [1, ...shape], data: row },
    request: {
      inputs: { [inputOf(folder)]: 'data' },
      outputs: [{ name: 'class', transform: 'argmax' }],
      output_format: 'csv',
    },
    dataset: new Uint8Array(data),
    filename: 'rows.npy',
    rows,
  };
}

/** The name of the model's input: an export names it `x` or after the argument. */
function inputOf(_folder: string): string {
  return process.env['BENCH_IMAGE_INPUT'] ?? 'x';
}

async function push(client: SconceClient, { name, path }: Case): ReturnType<SconceClient['models']['waitUntilReady']> {
  const { version } = await client.models.push(name, new Uint8Array(readFileSync(path)));
  return client.models.waitUntilReady(name, version);
}

async function batchRate(client: SconceClient, { name, request, dataset, filename, rows }: Case): Promise<number> {
  const beganMs = performance.now();
  const { id } = await client.batches.score({ model: name, ...request }, dataset, { filename });
  const batch = await client.batches.wait(id);
  if (batch.status !== 'completed' || batch.request_counts.completed !== rows) throw new Error(JSON.stringify(batch));
  for await (const chunk of await client.batches.output(id)) void chunk;
  return (rows / (performance.now() - beganMs)) * 1e3;
}

async function bareRate({ path, row }: Case, bestRows: number): Promise<number> {
  const plan: BarePlan = {
    path,
    inputs: repeatRow([row], bestRows),
    rows: bestRows,
    threads: availableParallelism(),
    seconds: BARE_SECONDS,
  };
  return (await inProcess<BareReport>(new URL('../serving/bare-loop.ts', import.meta.url), plan)).rowsPerSecond;
}
