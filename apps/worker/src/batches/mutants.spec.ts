import { afterAll, beforeAll, expect, it } from 'vitest';
import { openBlobStore, storageConfigSchema, type BlobStore } from '@sconce/storage';
import { temporaryFolder } from '@sconce/testing';
import { oneByteMutants, validDatasets } from '@sconce/datasets/testing';
import { DATASET_LIMITS } from './dataset-limits.ts';
import { DatasetThreads } from './dataset-threads.ts';
import { scoreDataset } from './testing/score-dataset.ts';

// Whatever one byte of a dataset is changed to, scoring it ends: with results, with errors for rows, or with the reason.
// `npm run fuzz:datasets` draws others, and libs/datasets reads more of them without threads.

const SEED = 1;
const MUTANTS = 10;
/** The readers take milliseconds. A mutant may wait for a thread that is replaced. */
const MAX_MS = 30_000;

const storage = storageConfigSchema.parse({ root: temporaryFolder('mutants') });
let store: BlobStore;
let threads: DatasetThreads;

beforeAll(async () => {
  store = await openBlobStore(storage);
  threads = new DatasetThreads({ storage, s3: {}, datasetRoots: [], limits: DATASET_LIMITS }, 1);
});
afterAll(() => threads.close());

it.each(validDatasets().map((dataset) => [dataset.filename, dataset] as const))(
  '%s is valid',
  { timeout: 60_000 },
  async (_, dataset) => {
    const outcome = await scoreDataset(dataset, { threads, store });
    expect(outcome).toMatchObject({ unreadable: 0 });
    expect('rows' in outcome && outcome.rows).toBeGreaterThan(0);
  },
);

it(`ends for ${MUTANTS} one-byte mutants of each kind`, { timeout: 300_000 }, async () => {
  const refused = new Set<string>();
  for (const mutant of oneByteMutants(SEED, MUTANTS)) {
    const { filename, at, was, is } = mutant;
    const what = `${filename}, byte ${at} from ${was} to ${is}`;
    const startMs = performance.now();
    const outcome = await scoreDataset(mutant, { threads, store });
    expect(performance.now() - startMs, what).toBeLessThan(MAX_MS);
    if ('code' in outcome) expect(outcome, what).toMatchObject({ code: 'invalid_dataset' });
    if ('code' in outcome) refused.add(mutant.kind);
  }
  expect(refused).toContain('gzip');
  expect(refused).toContain('arrow');
});
