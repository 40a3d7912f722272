import { elementCount, viewOf, type Tensor } from '@sconce/tensor';

/** A call with changed sizes or values. */
export interface MutatedCall {
  /** What was changed, for reports: `size 3 is 0`, `input 0 is NaN`. */
  readonly label: string;
  readonly inputs: readonly Tensor[];
}

/** At most this many calls are made of one. */
const MOST_CALLS = 80;

/** Calls like `inputs` with sizes 0, 1 and many on every axis, then with extreme values in every input. */
export function mutatedCalls(inputs: readonly Tensor[]): MutatedCall[] {
  return [...withSizes(inputs), ...withValues(inputs)].slice(0, MOST_CALLS);
}

/** Axes of one size often belong together, so all of them are changed first, then each axis alone. */
function withSizes(inputs: readonly Tensor[]): MutatedCall[] {
  const sizes = [...new Set(inputs.flatMap(({ shape }) => shape))];
  const together = sizes.flatMap((size) =>
    [0, 1, 2 * size + 1].map((next) => ({
      label: `size ${size} is ${next}`,
      inputs: inputs.map((tensor) =>
        resized(
          tensor,
          tensor.shape.map((present) => (present === size ? next : present)),
        ),
      ),
    })),
  );
  const alone = inputs.flatMap((tensor, i) =>
    tensor.shape.flatMap((size, axis) =>
      [0, 1, 2 * size + 1].map((next) => ({
        label: `axis ${axis} of input ${i} is ${next}`,
        inputs: inputs.with(i, resized(tensor, tensor.shape.with(axis, next))),
      })),
    ),
  );
  return [...together, ...alone];
}

/** The tensor with another shape. Elements repeat along an axis that grows. */
function resized(tensor: Tensor, shape: readonly number[]): Tensor {
  const count = elementCount(shape);
  const present = elementCount(tensor.shape);
  const width = present === 0 ? 8 : tensor.data.byteLength / present;
  const data = new Uint8Array(count * width);
  for (let i = 0; i < count && present > 0; i++) {
    let [rest, from, stride] = [i, 0, 1];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const [size = 1, old = 1] = [shape[axis], tensor.shape[axis]];
      from += ((rest % size) % old) * stride;
      rest = Math.floor(rest / size);
      stride *= old;
    }
    data.set(tensor.data.subarray(from * width, (from + 1) * width), i * width);
  }
  return { ...tensor, shape, data };
}

const FLOATS = { NaN, Infinity, '-Infinity': -Infinity, '3e38': 3e38, '1e-45': 1e-45, '0': 0 };
const INTEGERS = { '0': 0n, '-1': -1n, '100': 100n };
/** Numbers such as sizes: larger ones would only ask for memory. */
const NUMBERS = { '0': 0n, '-1': -1n, '1': 1n };

function withValues(inputs: readonly Tensor[]): MutatedCall[] {
  return inputs.flatMap((tensor, i) => {
    const values =
      tensor.datatype === 'FP32' || tensor.datatype === 'FP64'
        ? FLOATS
        : tensor.datatype === 'INT64'
          ? tensor.shape.length > 0
            ? INTEGERS
            : NUMBERS
          : tensor.datatype === 'BOOL'
            ? { '0': 0, '1': 1 }
            : {};
    return Object.entries(values).flatMap(([name, value]) => {
      const all = { label: `input ${i} is ${name}`, inputs: inputs.with(i, filled(tensor, value, Infinity)) };
      const first = { label: `input ${i} begins with ${name}`, inputs: inputs.with(i, filled(tensor, value, 1)) };
      return tensor.shape.length > 0 ? [all, first] : [all];
    });
  });
}

/** The tensor with its first `count` elements set to a number. */
function filled(tensor: Tensor, value: number | bigint, count: number): Tensor {
  const copy = { ...tensor, data: tensor.data.slice() };
  const view = viewOf(copy as Tensor & { datatype: 'FP32' }) as unknown as {
    fill(v: unknown, a: number, b: number): void;
  };
  view.fill(value, 0, Math.min(count, elementCount(tensor.shape)));
  return copy;
}
