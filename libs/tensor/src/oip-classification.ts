import { fromBfloat16Bits } from './bfloat16.ts';
import { encodeBytes } from './bytes-elements.ts';
import { formatSpec, type Datatype, type Tensor } from './datatype.ts';
import { elementCount } from './shape.ts';
import { quote, requestError } from './tensor-error.ts';
import { viewOf } from './typed-view.ts';

type Values = ArrayLike<number> | ArrayLike<bigint>;

/** Tells whether the elements of a datatype are numbers, which can be ranked. */
export function isNumeric(datatype: Datatype): datatype is Exclude<Datatype, 'BYTES' | 'BOOL'> {
  return datatype !== 'BYTES' && datatype !== 'BOOL';
}

/**
 * The classification extension of the protocol: the `count` largest values along the last axis, as BYTES `value:index`.
 * The largest value is first, equal values are in the order of their index, and NaN is last. The shape [rows, classes]
 * becomes [rows, min(count, classes)]. Throws 'invalid_request' with the output's name for a datatype that is not
 * numeric and for a scalar.
 */
export function classify(tensor: Tensor, count: number): Tensor {
  const { name, datatype, classes } = requireClasses(tensor);
  const { shape } = tensor;
  const values: Values =
    datatype === 'BF16'
      ? Float32Array.from(viewOf({ ...tensor, datatype }), fromBfloat16Bits)
      : viewOf({ ...tensor, datatype });
  const kept = Math.min(count, classes);
  const outer = shape.slice(0, -1);
  const rows = classes === 0 ? 0 : elementCount(outer, name);
  const elements: string[] = [];
  for (let row = 0; row < rows; row++) {
    const start = row * classes;
    const order = Array.from({ length: classes }, (_, index) => index);
    // Sorting is stable, so equal values stay in the order of their index.
    order.sort((a, b) => compareDescending(values[start + a] ?? NaN, values[start + b] ?? NaN));
    for (const index of order.slice(0, kept)) elements.push(`${values[start + index]}:${index}`);
  }
  return { name, datatype: 'BYTES', shape: [...outer, kept], data: encodeBytes(elements) };
}

/** Throws 'invalid_request' unless a tensor has numbers and an axis of classes. */
export function requireClasses(tensor: Tensor): {
  readonly name: string;
  readonly datatype: Exclude<Datatype, 'BYTES' | 'BOOL'>;
  readonly classes: number;
} {
  const { name, datatype, shape } = tensor;
  const classes = shape.at(-1);
  if (isNumeric(datatype) && classes !== undefined) return { name, datatype, classes };
  throw requestError(
    name,
    `output ${quote(name)} is ${formatSpec(tensor)}; expected numbers with an axis of classes for parameters.classification`,
  );
}

/** Sorts the largest value first and NaN last. */
export function compareDescending(a: number | bigint, b: number | bigint): number {
  if (a > b) return -1;
  if (a < b) return 1;
  return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
}
