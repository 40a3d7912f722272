import { SconceError } from '@sconce/errors';
import {
  HalfArray,
  allocateView,
  bytesElements,
  encodeBytes,
  fromBfloat16Bits,
  toBfloat16Bits,
  viewOf,
  type Datatype,
  type FixedDatatype,
  type Tensor,
} from '@sconce/tensor';

/** An element of nested arrays. */
export type Element = number | bigint | boolean | string;

/** Arrays in arrays. All arrays of one depth have the same length. */
export type Nested = Element | readonly Nested[];

/** A typed array of elements. */
export type TypedArray =
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Float16Array
  | Float32Array
  | Float64Array;

/** What a tensor is besides its elements. */
export interface TensorOptions {
  /** Default: what the typed array holds; of nested arrays FP32 for numbers, INT64 for big integers, BOOL and BYTES. */
  readonly datatype?: Datatype;
  /** Default: one axis for a typed array, the lengths of nested arrays. */
  readonly shape?: readonly number[];
}

const DATATYPE_OF: readonly (readonly [abstract new (...given: never[]) => unknown, FixedDatatype])[] = [
  [Uint8Array, 'UINT8'],
  [Uint16Array, 'UINT16'],
  [Uint32Array, 'UINT32'],
  [BigUint64Array, 'UINT64'],
  [Int8Array, 'INT8'],
  [Int16Array, 'INT16'],
  [Int32Array, 'INT32'],
  [BigInt64Array, 'INT64'],
  [HalfArray, 'FP16'],
  [Float32Array, 'FP32'],
  [Float64Array, 'FP64'],
];

const DATATYPE_OF_ELEMENT = { number: 'FP32', bigint: 'INT64', boolean: 'BOOL', string: 'BYTES' } as const;
const FLOATS: ReadonlySet<Datatype> = new Set(['FP16', 'BF16', 'FP32', 'FP64']);

/**
 * Makes a tensor of a typed array or of nested arrays. Elements are converted to the datatype; floats are rounded.
 * @throws SconceError `invalid_tensor` if nested arrays have different lengths, elements do not fit the datatype, or the shape needs another
 * number of them.
 */
export function tensor(name: string, values: TypedArray | Nested, options: TensorOptions = {}): Tensor {
  const isTyped = ArrayBuffer.isView(values);
  const elements = isTyped ? values : flatten(name, values);
  const shape = options.shape ?? (isTyped ? [values.length] : shapeOf(values));
  const count = shape.reduce((product, size) => product * size, 1);
  if (count !== elements.length) {
    throw invalid(name, `has ${elements.length} elements; expected ${count} for the shape [${shape.join(', ')}]`);
  }
  const datatype = options.datatype ?? datatypeOf(name, values, elements);
  return { name, datatype, shape, data: encode(name, elements, datatype) };
}

/**
 * The elements of a tensor, in row-major order: a typed array (BOOL as 0 and 1, BF16 as Float32Array), or texts for BYTES. It may share the memory of
 * the tensor. @throws SconceError `invalid_tensor` for BYTES that are not UTF-8; `bytesElements` reads them.
 */
export function valuesOf(given: Tensor): TypedArray | readonly string[] {
  if (given.datatype === 'BYTES') return bytesElements(given).map((bytes) => textOf(given.name, bytes));
  const view = viewOf(given) as TypedArray;
  return given.datatype === 'BF16' ? Float32Array.from(view as Uint16Array, fromBfloat16Bits) : view;
}

/** The elements of a tensor as nested arrays; of a tensor without axes the element. BOOL are booleans, 64-bit integers big integers. */
export function nestedOf(given: Tensor): Nested {
  const values: Element[] = [...(valuesOf(given) as Iterable<Element>)];
  let nested: Nested[] = given.datatype === 'BOOL' ? values.map((value) => value !== 0) : values;
  for (const size of given.shape.slice(1).toReversed()) {
    const rows = size === 0 ? 0 : nested.length / size;
    nested = Array.from({ length: rows }, (_, row) => nested.slice(row * size, (row + 1) * size));
  }
  return given.shape.length === 0 ? (nested[0] as Element) : nested;
}

function shapeOf(values: Nested): number[] {
  const shape: number[] = [];
  for (let at: Nested | undefined = values; Array.isArray(at); at = (at as readonly Nested[])[0]) shape.push(at.length);
  return shape;
}

function flatten(name: string, values: Nested): Element[] {
  const shape = shapeOf(values);
  const elements: Element[] = [];
  const walk = (at: Nested, depth: number, path: string): void => {
    const size = shape[depth];
    if (!Array.isArray(at)) {
      if (size !== undefined) throw invalid(name, `${path} is no array; expected one of ${size} entries`);
      elements.push(at as Element);
      return;
    }
    if (at.length !== size) throw invalid(name, `${path} has ${at.length} entries; expected ${size ?? 'no array'}`);
    at.forEach((inner: Nested, index) => walk(inner, depth + 1, `${path}[${index}]`));
  };
  walk(values, 0, 'values');
  return elements;
}

function datatypeOf(name: string, values: TypedArray | Nested, elements: ArrayLike<Element>): Datatype {
  if (ArrayBuffer.isView(values)) {
    const found = DATATYPE_OF.find(([type]) => values instanceof type);
    if (found === undefined) throw invalid(name, 'is a typed array of an unknown kind');
    return found[1];
  }
  const kind = typeof elements[0];
  if (kind === 'number' || kind === 'bigint' || kind === 'boolean' || kind === 'string')
    return DATATYPE_OF_ELEMENT[kind];
  return 'FP32';
}

function encode(name: string, elements: ArrayLike<Element>, datatype: Datatype): Uint8Array {
  if (datatype === 'BYTES') {
    return encodeBytes(
      Array.from(elements, (element) => fitting(name, element, typeof element === 'string', datatype) as string),
    );
  }
  const view = allocateView(datatype, elements.length) as TypedArray & Record<number, number | bigint>;
  const isBig = view instanceof BigInt64Array || view instanceof BigUint64Array;
  for (let index = 0; index < elements.length; index++) {
    const element = elements[index] as Element;
    view[index] = isBig ? bigOf(name, element, datatype) : numberOf(name, element, datatype);
    if (FLOATS.has(datatype)) continue;
    // An integer that does not fit wraps around.
    fitting(name, element, view[index] === (isBig ? BigInt(element) : Number(element)), datatype);
  }
  return new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength);
}

function bigOf(name: string, element: Element, datatype: Datatype): bigint {
  const fits = typeof element === 'bigint' || (typeof element === 'number' && Number.isSafeInteger(element));
  return BigInt(fitting(name, element, fits, datatype));
}

function numberOf(name: string, element: Element, datatype: Datatype): number {
  const isBool = datatype === 'BOOL';
  const fits = typeof element === 'number' || (isBool && typeof element === 'boolean');
  const value = Number(fitting(name, element, fits, datatype));
  if (isBool) fitting(name, element, value === 0 || value === 1, datatype);
  return datatype === 'BF16' ? toBfloat16Bits(value) : value;
}

function fitting(name: string, element: Element, fits: boolean, datatype: Datatype): Element {
  if (!fits)
    throw invalid(name, `has the element ${String(element).slice(0, 40)} (${typeof element}), which is no ${datatype}`);
  return element;
}

function textOf(name: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw invalid(name, 'has bytes that are not UTF-8; read them with bytesElements', cause);
  }
}

function invalid(name: string, what: string, cause?: unknown): SconceError {
  return new SconceError('invalid_tensor', `Tensor "${name}" ${what}.`, { details: { param: name }, cause });
}
