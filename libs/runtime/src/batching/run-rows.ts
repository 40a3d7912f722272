import { SconceError } from '@sconce/errors';
import type { Tensor } from '@sconce/tensor';
import type { BatchableModel } from './batch-request.ts';

/** The error of a request without rows for a model whose runs have a fixed number of rows. */
export function noRows({ maxBatchRows }: BatchableModel): SconceError {
  return new SconceError(
    'invalid_tensor',
    `The request has no rows, and this model runs ${maxBatchRows} rows at a time: send at least one row.`,
  );
}

/** Throws `inference_failed` if an output does not have the rows of its run. */
export function checkRows(outputs: readonly Tensor[], rows: number): void {
  for (const output of outputs) {
    if (output.shape[0] !== rows) {
      throw new SconceError(
        'inference_failed',
        `Output "${output.name}" has shape [${output.shape.join(',')}] for ${rows} rows: the model does not keep its rows apart, though its batch axis was proved.`,
        { details: { param: output.name } },
      );
    }
  }
}
