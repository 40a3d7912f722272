import type { SconceClient } from '@sconce/client';
import { viewOf, type Tensor } from '@sconce/tensor';
import { PIXELS, type Heldout } from './heldout.ts';

/** Rows in one job; jobs scored at least. */
export const ROWS_PER_JOB = 50;
const JOBS_IN_FLIGHT = 8;
export const MINIMUM_JOBS = 300;
const MAXIMUM_MS = 10_000;

export interface Score {
  /** Share of the rows, each counted once, whose digit was found. */
  readonly accuracy: number;
  /** Distinct rows / rows scored in all passes. */
  readonly rows: number;
  readonly rowsScored: number;
  readonly jobs: number;
  readonly rowsPerSecond: number;
  /** Submission to result in hand, per job. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/**
 * Scores the rows as asynchronous jobs of 50 rows each, eight in flight, over and over until 300 jobs are done (10 s at
 * most): one pass would be too short to time. The first pass gives the accuracy; a warm-up job before is not counted.
 */
export async function scoreHeldout(
  client: SconceClient,
  heldout: Heldout,
  onProgress: (rows: number) => void,
): Promise<Score> {
  const { labels } = heldout;
  const starts = Array.from({ length: Math.ceil(labels.length / ROWS_PER_JOB) }, (_, job) => job * ROWS_PER_JOB);
  await runJob(client, heldout, 0);
  const predictions = new Map<number, number>();
  const latencies: number[] = [];
  const beganMs = performance.now();
  let next = 0;
  let rowsScored = 0;
  const lane = async (): Promise<void> => {
    for (;;) {
      const job = next++;
      const late = performance.now() - beganMs > MAXIMUM_MS;
      if (job >= starts.length && (late || job >= MINIMUM_JOBS)) return;
      const start = starts[job % starts.length] ?? 0;
      const jobBeganMs = performance.now();
      const digits = await runJob(client, heldout, start);
      latencies.push(performance.now() - jobBeganMs);
      rowsScored += digits.length;
      onProgress(rowsScored);
      if (job < starts.length) digits.forEach((digit, row) => predictions.set(start + row, digit));
    }
  };
  await Promise.all(Array.from({ length: JOBS_IN_FLIGHT }, lane));
  const seconds = (performance.now() - beganMs) / 1_000;
  const right = labels.filter((label, row) => predictions.get(row) === label).length;
  latencies.sort((left, other) => left - other);
  return {
    accuracy: right / labels.length,
    rows: labels.length,
    rowsScored,
    jobs: latencies.length,
    rowsPerSecond: rowsScored / seconds,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
  };
}

/** Rows of the example as the model takes them. */
export function pixelTensor({ labels, pixels }: Heldout, start: number, rows: number): Tensor {
  const end = Math.min(labels.length, start + rows);
  const data = pixels.subarray(start * PIXELS, end * PIXELS);
  return {
    name: 'pixels',
    datatype: 'FP32',
    shape: [end - start, PIXELS],
    data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  };
}

async function runJob(client: SconceClient, heldout: Heldout, start: number): Promise<number[]> {
  const inputs = [pixelTensor(heldout, start, ROWS_PER_JOB)];
  const { id } = await client.jobs.submit('digits', { inputs, binary: true });
  await client.jobs.wait(id);
  const { outputs } = await client.jobs.result(id);
  return digitsOf(outputs[0] as Tensor);
}

/** The most likely digit of each row of FP32 [rows, 10] logits. */
function digitsOf(logits: Tensor): number[] {
  const values = viewOf({ ...logits, datatype: 'FP32' });
  const classes = logits.shape[1] ?? 1;
  return Array.from({ length: logits.shape[0] ?? 0 }, (_, row) => {
    let best = 0;
    for (let digit = 1; digit < classes; digit += 1) {
      if ((values[row * classes + digit] ?? 0) > (values[row * classes + best] ?? 0)) best = digit;
    }
    return best;
  });
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}
