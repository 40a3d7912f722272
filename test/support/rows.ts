import { createHash } from 'node:crypto';
import { SconceClient, type Batch, type TableRequest } from '@sconce/client';
import { seeded } from './seeded.ts';

/** CSV rows for the digits model: an id and 64 pixels. The same seed gives the same rows. */
export function digitRows(rows: number, seed = 1): Uint8Array<ArrayBuffer> {
  const random = seeded(seed);
  const lines = [`id,${Array.from({ length: 64 }, (_, pixel) => `p${pixel}`).join(',')}`];
  for (let row = 0; row < rows; row++) {
    const pixels = Array.from({ length: 64 }, () => Math.floor(random() * 17));
    lines.push(`${row},${pixels.join(',')}`);
  }
  return new Uint8Array(Buffer.from(`${lines.join('\n')}\n`));
}

/** The batch request for such rows. */
export const DIGITS_TABLE: TableRequest = {
  model: 'digits',
  format: 'csv',
  inputs: { pixels: 'p*' },
  pass_through: ['id'],
  output_format: 'jsonl',
};

/** Scores a dataset as a batch and waits until it has ended. */
export async function scoreAll(
  url: string,
  request: TableRequest,
  dataset: Uint8Array<ArrayBuffer>,
  filename = 'rows.csv',
): Promise<Batch> {
  const client = new SconceClient({ url });
  const { id } = await client.batches.score(request, dataset, { filename });
  return client.batches.wait(id);
}

/** All bytes of a stream. */
export async function bytesOf(stream: ReadableStream<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
