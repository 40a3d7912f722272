import { isUtf8 } from 'node:buffer';
import { fromBfloat16Bits } from './bfloat16.ts';
import { bytesElements } from './bytes-elements.ts';
import { formatShape, formatSpec, type Tensor, type TensorSpec } from './datatype.ts';
import { writeElements, ELEMENT_TEXT } from './json-elements.ts';
import { elementCount } from './shape.ts';
import { describeValue, requestError, tensorError } from './tensor-error.ts';
import { viewOf } from './typed-view.ts';

/**
 * How to treat NaN and infinities, for which JSON has no number. Both read the strings "NaN", "Infinity" and "-Infinity". 'reject' refuses
 * null and numbers beyond float64 in a request: null may be a missing value, and 1e999 an overflow. It writes none of them. 'allow' writes
 * NaN as null and infinities as strings (ADR 47), and reads null and ±1e999, which earlier releases wrote.
 */
export type NonFinite = 'reject' | 'allow';

/**
 * Decodes the `data` of the protocol's JSON form: nested like the shape, or flat in row-major order. FP16 and BF16 are
 * numbers and are rounded to nearest, ties to even. BYTES are strings and become UTF-8. INT64 and UINT64 may be bigint.
 *
 * Throws 'invalid_tensor' for a wrong number of elements, ragged nesting, an element of the wrong JSON type and a number
 * that the datatype cannot hold. The message has the tensor's name, the element, and the expected and received value.
 */
export function decodeJsonData(spec: TensorSpec, data: unknown, nonFinite: NonFinite = 'reject'): Tensor {
  const { name, datatype, shape } = spec;
  const count = elementCount(shape, name);
  const nested = Array.isArray(data) && shape.length > 1 && Array.isArray(data[0]);
  const leaves = nested ? innerArrays(spec, data) : [flatArray(spec, data, count)];
  const written = writeElements(datatype, leaves, { count, nonFinite });
  if (typeof written === 'number') {
    const inner = shape.at(-1) ?? 1;
    const element = nested ? leaves[Math.floor(written / inner)]?.[written % inner] : leaves[0]?.[written];
    const path = nested ? pathOf(written, shape) : `[${written}]`;
    throw tensorError(name, `data${path} is ${describeValue(element)}; ${datatype} takes ${ELEMENT_TEXT[datatype]}`);
  }
  return { name, datatype, shape, data: written };
}

/**
 * Encodes the elements of a tensor as JSON text: a flat array in row-major order.
 *
 * With 'allow' (the default) NaN becomes null, and infinities become "Infinity" and "-Infinity". Both are valid JSON. The words without
 * quotes and numbers like 1e999 would break the parsers of clients. NumPy and JavaScript convert the strings to numbers. Floats are written
 * as the shortest decimal of their float64 value, so they can be read back exactly, -0 included.
 *
 * Throws 'invalid_request' for a BYTES element that is not UTF-8. With 'reject', throws 'invalid_tensor' for NaN and
 * infinities. Both messages say to use binary data.
 */
export function encodeJsonData(tensor: Tensor, nonFinite: NonFinite = 'allow'): string {
  const { name, datatype } = tensor;
  switch (datatype) {
    case 'BYTES':
      return JSON.stringify(bytesElements(tensor).map((element, index) => utf8(name, element, index)));
    case 'BOOL':
      return JSON.stringify(Array.from(viewOf({ ...tensor, datatype }), (byte) => byte !== 0));
    case 'FP16':
    case 'FP32':
    case 'FP64':
      return floatsText(name, viewOf({ ...tensor, datatype }), nonFinite);
    case 'BF16':
      return floatsText(name, Float32Array.from(viewOf({ ...tensor, datatype }), fromBfloat16Bits), nonFinite);
    default:
      return `[${viewOf({ ...tensor, datatype }).join(',')}]`;
  }
}

function floatsText(name: string, view: Float16Array | Float32Array | Float64Array, nonFinite: NonFinite): string {
  let plain = true;
  for (let index = 0; index < view.length && plain; index++) {
    const value = view[index] ?? 0;
    plain = Number.isFinite(value) && !Object.is(value, -0);
  }
  if (plain) return `[${view.join(',')}]`;
  return `[${Array.from(view, (value, index) => floatText(name, value, { index, nonFinite })).join(',')}]`;
}

function floatText(name: string, value: number, options: { index: number; nonFinite: NonFinite }): string {
  if (Object.is(value, -0)) return '-0';
  if (Number.isFinite(value)) return String(value);
  if (options.nonFinite === 'reject') {
    throw tensorError(name, `element ${options.index} is ${value}, which JSON cannot carry; send the tensor as binary`);
  }
  if (Number.isNaN(value)) return 'null';
  return value > 0 ? '"Infinity"' : '"-Infinity"';
}

/** The error for a BYTES element that JSON cannot carry. */
export function refuseBinaryText(name: string, index: number): Error {
  return requestError(
    name,
    `tensor ${JSON.stringify(name)}: BYTES element ${index} is not valid UTF-8, so JSON cannot carry it; request the output as binary with parameters.binary_data`,
  );
}

function utf8(name: string, element: Uint8Array, index: number): string {
  if (!isUtf8(element)) throw refuseBinaryText(name, index);
  return Buffer.from(element.buffer, element.byteOffset, element.byteLength).toString('utf8');
}

function flatArray(spec: TensorSpec, data: unknown, count: number): readonly unknown[] {
  // The nested form of a scalar is the element itself.
  const flat = spec.shape.length === 0 && !Array.isArray(data) ? [data] : data;
  if (!Array.isArray(flat)) {
    throw tensorError(spec.name, `data is ${describeValue(data)}; expected an array of ${count} elements`);
  }
  if (flat.length !== count) {
    // Nested data with a first axis of 0 is an empty array too, whatever the inner axes are.
    throw tensorError(spec.name, `data has ${flat.length} elements; expected ${count} for ${formatSpec(spec)}`);
  }
  return flat;
}

/**
 * Checks the length of every array in nested data against the shape and returns the innermost arrays. So all elements
 * of the shape are known to exist before anything of that size is allocated.
 */
function innerArrays(spec: TensorSpec, data: readonly unknown[]): (readonly unknown[])[] {
  const { name, shape } = spec;
  let level: unknown[] = [data];
  for (const [axis, length] of shape.entries()) {
    const next: unknown[] = [];
    for (const [index, array] of level.entries()) {
      if (!Array.isArray(array) || array.length !== length) {
        throw tensorError(
          name,
          `data${pathOf(index, shape.slice(0, axis))} is ${describeValue(array)}; expected an array of ${length} for shape ${formatShape(shape)}`,
        );
      }
      if (axis < shape.length - 1) for (const member of array) next.push(member);
    }
    if (axis < shape.length - 1) level = next;
  }
  return level as (readonly unknown[])[];
}

/** The nested position of a flat row-major index, for example `[1][0]`. */
export function pathOf(index: number, shape: readonly number[]): string {
  let path = '';
  let rest = index;
  for (const dimension of shape.toReversed()) {
    path = `[${rest % dimension}]${path}`;
    rest = Math.floor(rest / dimension);
  }
  return path;
}
