import { SconceClient, type Batch, type RowError, type TableRequest } from '@sconce/client';
import { bytesOf, scoreAll } from './rows.ts';

/** A batch request for the `affine` fixture: columns a to d are its input, `id` is copied into the results. */
export const AFFINE_TABLE: TableRequest = {
  model: 'affine',
  inputs: { x: ['a', 'b', 'c', 'd'] },
  pass_through: ['id'],
};

/** The UTF-8 bytes of a text. */
export function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text));
}

/** Scores datasets at a server and reads the results. */
export interface BatchScorer {
  readonly client: SconceClient;
  /** Scores a dataset as a batch and waits until it has ended. */
  score(request: TableRequest, dataset: string | Uint8Array<ArrayBuffer>, filename?: string): Promise<Batch>;
  /** The results of a batch, as text. */
  outputOf(batch: Batch): Promise<string>;
  /** The lines of a batch's error file. */
  errorsOf(batch: Batch): Promise<RowError[]>;
}

/** A scorer for the server at `url`. */
export function batchScorer(url: string): BatchScorer {
  const client = new SconceClient({ url });
  return {
    client,
    score: (request, dataset, filename = 'rows.csv') =>
      scoreAll(url, request, typeof dataset === 'string' ? bytes(dataset) : dataset, filename),
    outputOf: async ({ id }) => (await bytesOf(await client.batches.output(id))).toString(),
    errorsOf: async ({ id }) => {
      const errors: RowError[] = [];
      for await (const error of client.batches.errors(id)) errors.push(error);
      return errors;
    },
  };
}
