/**
 * Measures how registration disturbs other requests, on the whole system (API, worker, Redis, client on this machine):
 *
 * - the growth of the API's and the worker's resident memory while an artifact of 1 GB is pushed, proved and optimised;
 * - the latency of a small model's requests, 100 a second, before and while hostile models are registered: one that allocates
 *   6 GiB, one whose run takes hours, one with random bytes (with `--hostile` only this).
 *
 *     npm run build
 *     node --conditions=@sconce/source bench/registration/push.bench.ts [--seconds 15] [--hostile]
 */
import { createReadStream, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SconceClient } from '@sconce/client';
import { GraphBuilder, type OnnxTensor } from '@sconce/onnx';
import { quantile, residentMiB, startBenchStack, type BenchStack } from '../support/stack.ts';
import { writeLargeModel, writeModel } from './large-model.ts';

const GIGABYTE = [4096, 16_384, 8192, 7168, 4096];
const MIB = 1024 ** 2;
const LIMITS = { SCONCE_REGISTRATION_TIMEOUT_MS: '5000', SCONCE_REGISTRATION_MEMORY_BYTES: String(2048 * MIB) };
const INTERVAL_MS = 10;

const at = process.argv.indexOf('--seconds');
const seconds = at < 0 ? 15 : Number(process.argv[at + 1]);
const folder = mkdtempSync(join(tmpdir(), 'sconce-bench-'));
try {
  if (!process.argv.includes('--hostile')) await onOwnStack('push', {}, measurePush);
  await onOwnStack('hostile', LIMITS, measureHostile);
} finally {
  rmSync(folder, { recursive: true });
}

async function onOwnStack(
  name: string,
  env: Readonly<Record<string, string>>,
  work: (client: SconceClient, stack: BenchStack) => Promise<void>,
): Promise<void> {
  const stack = await startBenchStack({ data: join(folder, name), env });
  try {
    const client = new SconceClient({ url: stack.url });
    const small = join(folder, 'small.onnx');
    writeLargeModel(small, [4, 4]);
    await client.models.push('small', streamOf(small), { version: '1' });
    await client.models.waitUntilReady('small', '1');
    // The first requests allocate the memory that serving always needs.
    await load(client, 2);
    await work(client, stack);
  } finally {
    await stack.stop();
  }
}

async function measurePush(client: SconceClient, stack: BenchStack): Promise<void> {
  const path = join(folder, 'large.onnx');
  writeLargeModel(path, GIGABYTE);
  const before = memory(stack);
  const peak = { ...before };
  const watch = setInterval(() => {
    const now = memory(stack);
    peak.api = Math.max(peak.api, now.api);
    peak.worker = Math.max(peak.worker, now.worker);
  }, INTERVAL_MS);
  const startMs = performance.now();
  let pushedMs: number;
  try {
    await client.models.push('large', streamOf(path), { version: '1' });
    pushedMs = performance.now();
    await client.models.waitUntilReady('large', '1');
  } finally {
    clearInterval(watch);
  }
  const readyMs = performance.now();
  console.log(`artifact of ${(statSync(path).size / 1e9).toFixed(2)} GB`);
  rmSync(path);
  console.log(
    `pushed in ${((pushedMs - startMs) / 1000).toFixed(1)} s, ready after another ${((readyMs - pushedMs) / 1000).toFixed(1)} s`,
  );
  console.log(
    `API RSS ${before.api.toFixed(0)} → at most ${peak.api.toFixed(0)} MiB (+${(peak.api - before.api).toFixed(0)})`,
  );
  console.log(
    `worker RSS ${before.worker.toFixed(0)} → at most ${peak.worker.toFixed(0)} MiB (+${(peak.worker - before.worker).toFixed(0)})\n`,
  );
}

async function measureHostile(client: SconceClient): Promise<void> {
  const greedy = join(folder, 'greedy.onnx');
  const endless = join(folder, 'endless.onnx');
  const garbage = join(folder, 'garbage.onnx');
  writeGreedy(greedy);
  writeEndless(endless);
  writeFileSync(garbage, Buffer.alloc(4 * MIB, 'PK'));
  const before = await load(client, seconds);
  const reasons = new Set<string>();
  let go = true;
  const hostile = (async () => {
    while (go) {
      for (const path of [greedy, garbage, endless]) {
        await pushHostile(client, path).catch((error: unknown) => {
          reasons.add((error as Error).message.slice(0, 200));
        });
      }
    }
  })();
  const during = await load(client, seconds);
  go = false;
  const after = await load(client, seconds);
  await hostile;
  console.log('reasons that hostile models failed for:');
  for (const reason of reasons) console.log(`- ${reason}`);
  console.log(`\n| ${1000 / INTERVAL_MS} requests/s | p50 ms | p99 ms | failed |\n| --- | --- | --- | --- |`);
  for (const [when, { latencies, failed }] of Object.entries({ before, during, after })) {
    console.log(
      `| ${when} | ${quantile(latencies, 0.5).toFixed(2)} | ${quantile(latencies, 0.99).toFixed(2)} | ${failed} |`,
    );
  }
}

async function pushHostile(client: SconceClient, path: string): Promise<void> {
  const { version } = await client.models.push('hostile', streamOf(path));
  await client.models.waitUntilReady('hostile', version);
}

/** Sends requests at fixed times, independent of the answers. Latencies begin at the due time. */
async function load(client: SconceClient, forSeconds: number): Promise<{ latencies: number[]; failed: number }> {
  const x = { name: 'x', datatype: 'FP32' as const, shape: [1, 4], data: new Uint8Array(16) };
  const latencies: number[] = [];
  let failed = 0;
  const startMs = performance.now();
  const sent: Promise<void>[] = [];
  for (let n = 0; n < (forSeconds * 1000) / INTERVAL_MS; n++) {
    const dueMs = startMs + n * INTERVAL_MS;
    const waitMs = dueMs - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    const request = client.infer('small', { inputs: [x], binary: true });
    sent.push(
      request.then(
        () => void latencies.push(performance.now() - dueMs),
        () => void (failed += 1),
      ),
    );
  }
  await Promise.all(sent);
  return { latencies, failed };
}

function streamOf(path: string): ReadableStream<Uint8Array> {
  return Readable.toWeb(createReadStream(path)) as ReadableStream<Uint8Array>;
}

function memory(stack: BenchStack): { api: number; worker: number } {
  return { api: residentMiB(stack.pids.api), worker: residentMiB(stack.pids.workers[0] ?? 0) };
}

/** `x + sum(6 GiB of zeros)`. */
function writeGreedy(path: string): void {
  const builder = builderWithInput();
  const shape = builder.initializer(int64('shape', [6, 256, 1024, 1024]));
  writeSum(path, builder, builder.node('ConstantOfShape', [shape]));
}

/** `x` + the sum of a matrix that is multiplied for half an hour. */
function writeEndless(path: string): void {
  const builder = builderWithInput();
  const largest = builder.node('ReduceMax', ['x'], { attributes: { keepdims: { int: 0 } } });
  const square = builder.node('Expand', [largest, builder.initializer(int64('square', [2048, 2048]))]);
  let last = square;
  for (let n = 0; n < 10_000; n++) last = builder.node('MatMul', [last, square]);
  writeSum(path, builder, last);
}

function builderWithInput(): GraphBuilder {
  const builder = new GraphBuilder();
  builder.input({ name: 'x', datatype: 'FLOAT', shape: ['rows', 4] });
  return builder;
}

function writeSum(path: string, builder: GraphBuilder, value: string): void {
  const sum = builder.node('ReduceSum', [value], { attributes: { keepdims: { int: 0 } } });
  const y = builder.uniqueName('y');
  builder.nodes('Add', ['x', sum], { names: [y] });
  builder.output({ name: y, datatype: 'FLOAT', shape: ['rows', 4] });
  writeModel(path, builder);
}

function int64(name: string, values: readonly number[]): OnnxTensor {
  const data = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
  return { name, datatype: 'INT64', dims: [values.length], data };
}
