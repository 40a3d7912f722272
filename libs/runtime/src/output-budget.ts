import type { BudgetLimit } from '@sconce/contracts';
import { overBudget, type SconceError } from '@sconce/errors';
import { byteLength, type Tensor, type TensorSpec } from '@sconce/tensor';

/** The bytes of one row of the outputs, as far as the signature says them: free axes and BYTES count as nothing. */
export function outputRowBytes(outputs: readonly TensorSpec[]): number {
  let bytes = 0;
  for (const { datatype, shape } of outputs) {
    const [, ...row] = shape;
    if (datatype !== 'BYTES' && shape.length > 0 && row.every((size) => size >= 0)) bytes += byteLength(datatype, row);
  }
  return bytes;
}

/** The error for outputs of more bytes than allowed. @param outputs the outputs, whose shapes the message shows. */
export function outputsOverBudget(
  { limit, setting }: BudgetLimit,
  value: number,
  outputs: readonly TensorSpec[],
): SconceError {
  const shown = outputs.map(({ name, datatype, shape }) => `${name} is ${datatype} [${shape.join(', ')}]`);
  return overBudget({ field: 'output_bytes', limit, value, setting, because: `output ${shown.join(', output ')}` });
}

/** Checks the outputs of a run while they are still the runtime's own memory. @throws SconceError `over_budget`. */
export function checkOutputs(outputs: readonly Tensor[], maxOutput: BudgetLimit | undefined): void {
  if (maxOutput === undefined) return;
  let bytes = 0;
  for (const { data } of outputs) bytes += data.byteLength;
  if (bytes > maxOutput.limit) throw outputsOverBudget(maxOutput, bytes, outputs);
}
