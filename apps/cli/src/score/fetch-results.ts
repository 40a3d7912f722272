import type { Batch, SconceClient } from '@sconce/client';
import { outputPath, writeFiles, type Content } from '../files/output-file.ts';

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
  const files = [{ path: output, content: copyOf(() => client.batches.output(batch.id)) }];
  if (errors !== undefined) files.push({ path: errors, content: copyOf(() => client.batches.errorLines(batch.id)) });
  await writeFiles(files);
  return { output, errors };
}

/** The content of a stream, which is opened when the file is written. */
function copyOf(open: () => Promise<ReadableStream<Uint8Array>>): Content {
  return async (write) => {
    for await (const chunk of await open()) await write(chunk);
  };
}
