import { viewOf, type Tensor } from '@sconce/tensor';
import type { BatchRequest } from '../batching/batch-request.ts';

/** Integers of inputs with at most so many elements are a part of the kind: lengths, counts and indices. */
const MAX_VALUES = 8;

const INTEGERS: ReadonlySet<Tensor['datatype']> = new Set([
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'UINT8',
  'UINT16',
  'UINT32',
  'UINT64',
  'BOOL',
]);

/** Values of larger inputs are not looked at. */
const MAX_EXTREMES = 4_096;

const NUMBERS: ReadonlySet<Tensor['datatype']> = new Set([...INTEGERS, 'FP32', 'FP64']);

/**
 * The kind of a request: requests of one model version with equal kinds are expected to end a process alike.
 *
 * - Sizes count as 0, 1, or by their power of two: native code fails at empty axes, and memory grows with sizes.
 * - The number of rows of a model with a batch axis counts only as none or some: its runs have a bounded number of rows.
 * - Integers of small inputs count by sign and power of two: they are lengths of loops, sizes and indices.
 * - Of each other input of an unbounded model, the largest magnitude counts: a loop may end by it.
 */
export function kindOf(request: Pick<BatchRequest, 'model' | 'inputs'>): string {
  const isUnbounded = request.model.unbounded === true;
  return classesOf(request, (input) => valuesClass(input) ?? (isUnbounded ? largestClass(input) : ''));
}

/**
 * The kind that is tried before requests of it run in threads. It is coarser, so that callers with ever other values meet few kinds: of each
 * input only the largest magnitude counts.
 */
export function triedKindOf(request: Pick<BatchRequest, 'model' | 'inputs'>): string {
  return classesOf(request, request.model.unbounded === true ? largestClass : () => '');
}

function classesOf(
  { model, inputs }: Pick<BatchRequest, 'model' | 'inputs'>,
  classOf: (input: Tensor) => string,
): string {
  return inputs
    .map((input) => {
      const hasRows = model.axis !== 'none' && model.rowInputs.has(input.name);
      const sizes = input.shape.map((size, axis) => (hasRows && axis === 0 ? rowsClass(size) : magnitude(size)));
      return `[${sizes.join(',')}]${classOf(input)}`;
    })
    .join(' ');
}

/** Whether an axis is empty, or a mask selects nothing: what native code may not expect. */
export function isHollow({ inputs }: Pick<BatchRequest, 'inputs'>): boolean {
  for (const { shape, datatype, data } of inputs) {
    if (shape.includes(0) || (datatype === 'BOOL' && !data.includes(1))) return true;
  }
  return false;
}

function rowsClass(rows: number): string {
  return rows === 0 ? '0' : 'n';
}

function valuesClass(input: Tensor): string | undefined {
  if (!INTEGERS.has(input.datatype) || elementsOf(input) > MAX_VALUES) return undefined;
  return `=${Array.from(viewOf(input) as ArrayLike<number | bigint>, magnitude).join(',')}`;
}

function largestClass(input: Tensor): string {
  const elements = elementsOf(input);
  if (!NUMBERS.has(input.datatype) || elements === 0 || elements > MAX_EXTREMES) return '';
  let largest = 0;
  for (const value of viewOf(input) as Iterable<number | bigint>) {
    const size = Math.abs(Number(value));
    if (Number.isNaN(size)) return '<NaN';
    if (size > largest) largest = size;
  }
  return `<${magnitude(Math.ceil(largest))}`;
}

function elementsOf({ shape }: Tensor): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** `0`, `1`, or the power of two below the number, with its sign. */
function magnitude(value: number | bigint): string {
  const number = Number(value);
  if (Math.abs(number) <= 1) return String(number);
  return `${number < 0 ? '-' : ''}2^${Math.floor(Math.log2(Math.abs(number)))}`;
}
