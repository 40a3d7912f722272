/**
 * Scores one-byte mutants of valid datasets in dataset threads.
 *
 *     npm run fuzz:datasets -- --count 100 --seed 1
 *
 * The mutants of a seed are always the same. A mutant that ends a thread, ends with another error than `invalid_dataset`, or takes longer
 * than the limit is printed. The exit code is then 1.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openBlobStore, storageConfigSchema } from '@sconce/storage';
import { DATASET_LIMITS } from '../src/batches/dataset-limits.ts';
import { DatasetThreads } from '../src/batches/dataset-threads.ts';
import { scoreDataset } from '../src/batches/testing/score-dataset.ts';
import { oneByteMutants } from '@sconce/datasets/testing';

const MAX_MS = 30_000;

const { values } = parseArgs({
  options: { count: { type: 'string', default: '100' }, seed: { type: 'string', default: '1' } },
});
const root = await mkdtemp(join(tmpdir(), 'fuzz-datasets-'));
const storage = storageConfigSchema.parse({ root });
const store = await openBlobStore(storage);
const threads = new DatasetThreads({ storage, s3: {}, datasetRoots: [], limits: DATASET_LIMITS }, 1);

const outcomes = new Map<string, number>();
let worst = { ms: 0, what: '' };
let bad = 0;
for (const mutant of oneByteMutants(Number(values.seed), Number(values.count))) {
  const { kind, filename, at, was, is } = mutant;
  const what = `${filename}, byte ${at} from ${was} to ${is}`;
  const startMs = performance.now();
  const outcome = await scoreDataset(mutant, { threads, store });
  const ms = performance.now() - startMs;
  if (ms > worst.ms) worst = { ms, what };
  const isBad = ms > MAX_MS || ('code' in outcome && outcome.code !== 'invalid_dataset');
  if (isBad) {
    bad += 1;
    print(`${what}: ${ms.toFixed(0)} ms, ${JSON.stringify(outcome)}`);
  }
  const result = 'code' in outcome ? 'refused' : outcome.unreadable > 0 ? 'unreadable' : 'scored';
  outcomes.set(`${kind} ${result}`, (outcomes.get(`${kind} ${result}`) ?? 0) + 1);
}
for (const [outcome, count] of outcomes) print(`${outcome}: ${count}`);
print(`seed ${values.seed}: ${bad} bad; the slowest took ${worst.ms.toFixed(0)} ms (${worst.what})`);
await threads.close();
await rm(root, { recursive: true });
process.exitCode = bad === 0 ? 0 : 1;

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
