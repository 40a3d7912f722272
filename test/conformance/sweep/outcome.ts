import type { Tensor } from '@sconce/tensor';
import { difference, type Tolerance } from '../agreement.ts';

/** PyTorch's answer to a mutated call. */
export type PyTorchAnswer = { readonly raises: string } | { readonly outputs: readonly Tensor[] };

/**
 * How a compiled model answers a mutated call:
 * - `agrees`: PyTorch's numbers; `refused`: both fail;
 * - `differs`: other numbers or shapes; `fails`: PyTorch answers; `accepts`: PyTorch fails;
 * - `ran`, `failed`: PyTorch was not asked; `died`: the process ended; `hung`: it did not end.
 */
export type Outcome = 'accepts' | 'agrees' | 'died' | 'differs' | 'failed' | 'fails' | 'hung' | 'ran' | 'refused';

export interface CallResult {
  /** `family/name` of the archive. */
  readonly archive: string;
  readonly call: number;
  readonly label: string;
  readonly outcome: Outcome;
  readonly detail: string;
}

/** Judges the answer of a compiled model by PyTorch's. */
export function outcomeOf(
  answer: PyTorchAnswer,
  want: PyTorchAnswer | undefined,
  tolerance?: Tolerance,
): Pick<CallResult, 'detail' | 'outcome'> {
  if (want === undefined) {
    return 'raises' in answer ? { outcome: 'failed', detail: answer.raises } : { outcome: 'ran', detail: '' };
  }
  if ('raises' in want) {
    return 'raises' in answer ? { outcome: 'refused', detail: '' } : { outcome: 'accepts', detail: want.raises };
  }
  if ('raises' in answer) return { outcome: 'fails', detail: answer.raises };
  if (answer.outputs.length !== want.outputs.length) {
    return { outcome: 'differs', detail: `${answer.outputs.length} outputs instead of ${want.outputs.length}` };
  }
  for (const [i, output] of want.outputs.entries()) {
    const got = answer.outputs[i];
    const wrong = got === undefined ? 'is missing' : difference(got, output, undefined, tolerance);
    if (wrong !== undefined) return { outcome: 'differs', detail: `output ${i} ${wrong}` };
  }
  return { outcome: 'agrees', detail: '' };
}
