import { readFile } from 'node:fs/promises';
import type { Batch, SconceClient, TableRequest } from '@sconce/client';
import type { Tensor } from '@sconce/tensor';
import { failure } from '../output/failure.ts';
import { batchFailure } from '../score/batch-text.ts';
import { PIXELS, type Heldout } from './heldout.ts';

/** How often the dataset for the timing repeats the rows: once would end too soon to be measured. */
const COPIES = 200;
/** Number of single requests whose latency is measured. */
const REQUESTS = 200;

const REQUEST: TableRequest = {
  model: 'digits',
  format: 'csv',
  inputs: { pixels: 'p*' },
  outputs: [{ name: 'digit', transform: 'argmax' }],
  pass_through: ['label'],
  output_format: 'jsonl',
};

export interface Score {
  /** Share of the rows with the right digit. */
  readonly accuracy: number;
  /** Distinct rows. */
  readonly rows: number;
  /** Rows of the dataset for the timing. */
  readonly rowsScored: number;
  /** Rows per second of that dataset, from its upload to its last result. */
  readonly rowsPerSecond: number;
  readonly batchId: string;
  /** Latency of single online requests, sent one after the other. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Scores the held-out rows as a batch, then 200 times as many to measure the speed, then 200 single requests. */
export async function scoreHeldout(
  client: SconceClient,
  given: {
    readonly path: string;
    readonly heldout: Heldout;
    readonly signal: AbortSignal;
    readonly onProgress: (rows: number) => void;
  },
): Promise<Score> {
  const { path, heldout, signal, onProgress } = given;
  const csv = await readFile(path);
  const batch = await scoreCsv(client, new Uint8Array(csv), { signal });
  let right = 0;
  for await (const { label, digit } of client.batches.rows<{ label: string; digit: number }>(batch.id)) {
    if (Number(label) === digit) right += 1;
  }
  const large = repeated(csv);
  const beganMs = performance.now();
  const timed = await scoreCsv(client, large, { signal, onProgress });
  const seconds = (performance.now() - beganMs) / 1_000;
  const latencies = await requestLatencies(client, heldout);
  return {
    accuracy: right / heldout.labels.length,
    rows: heldout.labels.length,
    rowsScored: timed.request_counts.completed,
    rowsPerSecond: timed.request_counts.completed / seconds,
    batchId: timed.id,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
  };
}

/** Rows of the example as the model's input. */
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

/** Number of rows in the dataset for the timing. */
export function timedRows({ labels }: Heldout): number {
  return labels.length * COPIES;
}

async function scoreCsv(
  client: SconceClient,
  csv: Uint8Array<ArrayBuffer>,
  options: { readonly signal: AbortSignal; readonly onProgress?: (rows: number) => void },
): Promise<Batch> {
  const { signal, onProgress } = options;
  const { id } = await client.batches.score(REQUEST, csv, { filename: 'heldout.csv', signal });
  const batch = await client.batches.wait(id, {
    signal,
    onProgress: (now) => onProgress?.(now.request_counts.completed),
  });
  if (batch.status !== 'completed') throw batchFailure(batch);
  if (batch.request_counts.failed > 0) {
    throw failure('internal', `${batch.request_counts.failed} rows of batch ${batch.id} failed.`, {
      hint: 'Please report it.',
    });
  }
  return batch;
}

/** The file's header once, then its rows `COPIES` times. */
function repeated(csv: Buffer): Uint8Array<ArrayBuffer> {
  const header = csv.indexOf('\n') + 1;
  const rows = csv.subarray(header);
  const all = new Uint8Array(header + rows.byteLength * COPIES);
  all.set(csv.subarray(0, header));
  for (let copy = 0; copy < COPIES; copy++) all.set(rows, header + copy * rows.byteLength);
  return all;
}

async function requestLatencies(client: SconceClient, heldout: Heldout): Promise<number[]> {
  const latencies: number[] = [];
  for (let request = 0; request < REQUESTS; request++) {
    const inputs = [pixelTensor(heldout, request % heldout.labels.length, 1)];
    const beganMs = performance.now();
    await client.infer('digits', { inputs, binary: true });
    latencies.push(performance.now() - beganMs);
  }
  return latencies.sort((left, other) => left - other);
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}
