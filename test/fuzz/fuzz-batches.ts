/**
 * Scores one-byte mutants of valid datasets as batches, over the API of a system of its own (the build).
 *
 *     npm run build && npm run fuzz:batches -- --count 100 --seed 1
 *
 * `--count` mutants of each kind of file. The mutants of a seed are always the same. A batch that does not end within 30 s, or ends with another
 * error than `invalid_dataset`, is printed, and so is a process that ends. The exit code is then 1. `npm run fuzz:datasets` is faster: it only
 * reads.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { SconceClient } from '@sconce/client';
import { oneByteMutants } from '@sconce/datasets/testing';
import { startRedisServer } from '@sconce/redis-server';
import { fixturePath } from '@sconce/testing/without-vitest';
import { scoreMutants, wrongEnd } from '../support/mutant-batches.ts';
import { startProduct } from '../support/product-process.ts';

const STOP_MS = 40_000;

const { values } = parseArgs({
  options: { count: { type: 'string', default: '100' }, seed: { type: 'string', default: '1' } },
});

const root = await mkdtemp(join(tmpdir(), 'fuzz-batches-'));
const redis = await startRedisServer({});
const env = {
  SCONCE_REDIS_URL: redis.url,
  SCONCE_DATA: root,
  SCONCE_PORT: '0',
  SCONCE_METRICS_PORT: '0',
  SCONCE_LOG_LEVEL: 'error',
};
const processes = [startProduct('api', env), startProduct('worker', env)];
let isStopping = false;
let wrong = 0;
for (const { exited } of processes) {
  void exited.then((code) => {
    if (!isStopping) report(`a process ended with ${code}`);
  });
}
try {
  const [api] = await Promise.all(processes.map(({ ready }) => ready));
  await scoreAll(new SconceClient({ url: api?.url ?? '' }));
} finally {
  isStopping = true;
  await Promise.all(processes.map(({ stop }) => stop(STOP_MS)));
  await redis.stop();
  await rm(root, { recursive: true });
}
process.exitCode = wrong === 0 ? 0 : 1;

async function scoreAll(client: SconceClient): Promise<void> {
  await client.models.push('affine', new Uint8Array(readFileSync(fixturePath('affine'))), { version: '1' });
  await client.models.waitUntilReady('affine', '1');
  const ended = await scoreMutants(client, oneByteMutants(Number(values.seed), Number(values.count)));
  for (const end of ended) {
    const why = wrongEnd(end);
    if (why !== undefined) report(why);
  }
  for (const [end, own] of Map.groupBy(ended, ({ mutant, status }) => `${mutant.kind} ${status}`)) {
    print(`${end}: ${own.length}`);
  }
  const slowest = Math.max(...ended.map(({ seconds }) => seconds));
  print(`seed ${values.seed}: ${wrong} wrong; the slowest took ${slowest.toFixed(1)} s`);
}

function report(line: string): void {
  wrong += 1;
  print(line);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
