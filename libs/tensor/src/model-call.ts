import { SconceError } from '@sconce/errors';
import { fromBfloat16Bits } from './bfloat16.ts';
import type { Datatype, Tensor } from './datatype.ts';
import { bytesOf, viewOf } from './typed-view.ts';

/** The input tensors of one call. */
export interface ModelCall {
  readonly tensors: readonly Tensor[];
  /** True if the tensors belong to inputs by their names, false if by their order. */
  readonly byName: boolean;
}

/** An input of a model. */
export interface InputSpec {
  readonly name: string;
  readonly datatype: Datatype;
}

const NUMBERED = /^(?:in\.)?(\d+)$/;
const OF_FIRST_CASE = /^0\.in\.(\d+)$/;
const HINT = '`sconce inspect FILE` prints the inputs.';

/**
 * The call in a tensor file. Tensors `0`, `1`, … or `in.0`, `in.1`, … are the inputs in order. From a cases file call 0
 * is taken. Otherwise the tensors belong to inputs by their names.
 */
export function callOf(tensors: ReadonlyMap<string, Tensor>): ModelCall {
  const numbered = (pattern: RegExp): Tensor[] =>
    [...tensors]
      .flatMap(([name, tensor]) => {
        const index = pattern.exec(name)?.[1];
        return index === undefined ? [] : [{ index: Number(index), tensor }];
      })
      .sort((a, b) => a.index - b.index)
      .map(({ tensor }) => tensor);
  const inOrder = numbered(NUMBERED);
  if (inOrder.length === tensors.size) return { tensors: inOrder, byName: false };
  const firstCase = numbered(OF_FIRST_CASE);
  if (firstCase.length > 0) return { tensors: firstCase, byName: false };
  return { tensors: [...tensors.values()], byName: true };
}

/**
 * Checks that the names of a call are inputs of the model. `roots` are the arguments of the model; lists and dicts have
 * parts, such as `items.0`. A single tensor may have any name and then counts by its order.
 *
 * @throws SconceError `invalid_tensor` for names that the model does not have.
 */
export function checkNames(call: ModelCall, roots: readonly string[]): ModelCall {
  if (!call.byName) return call;
  const unknown = call.tensors.filter(({ name }) => !roots.some((root) => isPartOf(name, root)));
  if (unknown.length === 0) return call;
  if (call.tensors.length === 1) return { ...call, byName: false };
  const names = unknown.map(({ name }) => name).join(', ');
  const message = `The model has no input ${names}; its inputs are ${roots.join(', ')}.`;
  throw new SconceError('invalid_tensor', message, {
    details: { hint: 'Give the tensors the names of the inputs, or number them in order: 0, 1, ….' },
  });
}

/** Tells whether `name` is the argument `root` or a part of it. */
export function isPartOf(name: string, root: string): boolean {
  return name === root || name.startsWith(`${root}.`);
}

/**
 * The tensors of a call with the names and datatypes of the inputs. A Python number is stored as the tensor that PyTorch
 * makes of it, so a scalar is converted to the datatype of its input. BF16 is converted to FP32 if the input takes that.
 *
 * @throws SconceError `invalid_tensor` if tensors are missing, if there are too many, or if a datatype differs.
 */
export function bindCall(call: ModelCall, inputs: readonly InputSpec[]): Tensor[] {
  const names = inputs.map(({ name }) => name);
  const { tensors, byName } = checkNames(call, names);
  return inputs.map((input, i) => {
    const tensor = byName ? tensors.find(({ name }) => name === input.name) : tensors[i];
    if (tensor === undefined || tensors.length > inputs.length) {
      const takes = `The model takes ${count(inputs.length, 'input')} (${names.join(', ')})`;
      throw new SconceError('invalid_tensor', `${takes}, and ${count(tensors.length, 'tensor')} came.`, {
        details: { hint: HINT },
      });
    }
    return { ...convert(tensor, input), name: input.name };
  });
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}

function convert(tensor: Tensor, { name, datatype }: InputSpec): Tensor {
  if (tensor.datatype === datatype) return tensor;
  if (tensor.datatype === 'BF16' && datatype === 'FP32') {
    const bits = viewOf({ ...tensor, datatype: 'BF16' });
    return { ...tensor, datatype, data: bytesOf(Float32Array.from(bits, (half) => fromBfloat16Bits(half))) };
  }
  const number = tensor.shape.length === 0 ? numberAs(tensor, datatype) : undefined;
  if (number !== undefined) return { ...tensor, datatype, data: number };
  throw new SconceError('invalid_tensor', `Input ${name} takes ${datatype}, and the tensor is ${tensor.datatype}.`, {
    details: { hint: HINT },
  });
}

/** The data of a scalar tensor as another datatype. Undefined if the datatype cannot hold the value. */
function numberAs(tensor: Tensor, datatype: Datatype): Uint8Array | undefined {
  if (tensor.datatype === 'BYTES') return undefined;
  const [value = 0] = viewOf(tensor) as Iterable<number | bigint>;
  if (datatype === 'FP64') return bytesOf(Float64Array.of(Number(value)));
  if (datatype === 'FP32') return bytesOf(Float32Array.of(Number(value)));
  if (datatype === 'BOOL') return Uint8Array.of(Number(value) === 0 ? 0 : 1);
  const whole = typeof value === 'bigint' || Number.isInteger(value);
  return datatype === 'INT64' && whole ? bytesOf(BigInt64Array.of(BigInt(value))) : undefined;
}
