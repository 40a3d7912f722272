import { SconceError } from '@sconce/errors';
import type { Tensor } from './datatype.ts';

/** One call of a model with its expected outputs. */
export interface CallCase {
  readonly call: number;
  /** The arguments in order. Lists, tuples and dicts are flattened. */
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

const NAME = /^(\d{1,9})\.(in|out)\.(\d{1,9})$/;
const HINT = 'Name each call’s arguments k.in.0, k.in.1, … and its outputs k.out.0, …; k counts calls from 0.';

/**
 * The calls of a cases file, in order. Tensors `k.in.i` are the arguments of call k, flattened in order; `k.out.j` are its
 * outputs. Tensors with other names are ignored.
 *
 * @throws SconceError `invalid_request` if the file has no calls, or if an argument or output of a call is missing.
 */
export function casesOf(tensors: ReadonlyMap<string, Tensor>): CallCase[] {
  const calls = new Map<number, Record<'in' | 'out', Map<number, Tensor>>>();
  for (const [name, tensor] of tensors) {
    const [, call, side, index] = NAME.exec(name) ?? [];
    if (call === undefined) continue;
    const entry = calls.get(Number(call)) ?? { in: new Map(), out: new Map() };
    calls.set(Number(call), entry);
    entry[side as 'in' | 'out'].set(Number(index), tensor);
  }
  if (calls.size === 0)
    throw new SconceError('invalid_request', 'The cases file has no calls.', { details: { hint: HINT } });
  return [...calls]
    .sort(([a], [b]) => a - b)
    .map(([call, entry]) => {
      if (entry.out.size === 0)
        throw new SconceError('invalid_request', `The cases file has no outputs of call ${call}.`, {
          details: { hint: HINT },
        });
      return { call, inputs: inOrder(entry.in, `${call}.in`), outputs: inOrder(entry.out, `${call}.out`) };
    });
}

function inOrder(tensors: ReadonlyMap<number, Tensor>, prefix: string): Tensor[] {
  return Array.from({ length: tensors.size }, (_, i) => {
    const tensor = tensors.get(i);
    if (tensor === undefined)
      throw new SconceError('invalid_request', `The cases file has no tensor ${prefix}.${i}.`, {
        details: { hint: HINT },
      });
    return tensor;
  });
}
