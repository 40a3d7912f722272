import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream';
import { parse } from 'csv-parse';
import { failure } from '../output/failure.ts';

/** Rows of the digits example: their true digits, and their pixels one row after the other. */
export interface Heldout {
  readonly labels: readonly number[];
  /** FP32 [rows, 64], values 0 … 16. */
  readonly pixels: Float32Array;
}

export const PIXELS = 64;

/** Reads `heldout.csv`: `id,label,p0,…,p63`. */
export async function readHeldout(path: string): Promise<Heldout> {
  const labels: number[] = [];
  const pixels: number[] = [];
  try {
    const records = parse({ columns: true, cast: (text, { header }) => (header ? text : Number(text)) });
    // Ends the parser with the error when the file can't be read; `pipe` would leave it unhandled.
    pipeline(createReadStream(path), records, () => undefined);
    for await (const record of records as AsyncIterable<Record<string, number>>) {
      labels.push(record['label'] ?? NaN);
      for (let pixel = 0; pixel < PIXELS; pixel += 1) pixels.push(record[`p${pixel}`] ?? NaN);
    }
  } catch (cause) {
    throw failure(
      'invalid_request',
      `${path} can’t be read: ${(cause as Error).message}`,
      'It comes with the project.',
      cause,
    );
  }
  if (labels.length === 0 || labels.some(Number.isNaN) || pixels.some(Number.isNaN)) {
    throw failure('invalid_request', `${path} is not a table of id, label, p0 … p63.`, 'It comes with the project.');
  }
  return { labels, pixels: Float32Array.from(pixels) };
}
