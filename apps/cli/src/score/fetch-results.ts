import type { Batch, SconceClient } from '@sconce/client';
import { outputPath, writeFiles } from '../offline/output-file.ts';

/** The files that the results were written to. */
export interface FetchedResults {
  readonly output: string;
  /** Absent if no rows failed. */
  readonly errors?: string;
}

/** Writes a batch's results to files: all of them completely, or none. */
export async function fetchResults(
  client: SconceClient,
  batch: Batch,
  to: { readonly output: string; readonly errors?: string | undefined },
): Promise<FetchedResults> {
  const output = await outputPath(to.output, []);
  const errors =
    batch.request_counts.failed === 0 ? undefined : await outputPath(to.errors ?? `${to.output}.errors.jsonl`, []);
  const stream = async (
    read: () => Promise<ReadableStream<Uint8Array>>,
    write: (bytes: Uint8Array) => Promise<void>,
  ): Promise<void> => {
    for await (const chunk of await read()) await write(chunk);
  };
  await writeFiles([
    { path: output, content: (write) => stream(() => client.batches.output(batch.id), write) },
    ...(errors === undefined
      ? []
      : [
          {
            path: errors,
            content: (write: (bytes: Uint8Array) => Promise<void>) =>
              stream(() => client.batches.errorLines(batch.id), write),
          },
        ]),
  ]);
  return { output, ...(errors === undefined ? {} : { errors }) };
}
