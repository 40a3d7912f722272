import type { FixedDatatype, Tensor } from './datatype.ts';
import { byteLength, elementCount } from './shape.ts';
import { describeValue, tensorError } from './tensor-error.ts';

const PREFIX_BYTES = 4;
const MAX_ELEMENT_BYTES = 2 ** 32 - 1;

/**
 * Byte offset of the end of `count` elements that start at byte `from`. Reads the length prefixes one after another.
 * Throws 'invalid_tensor' if a prefix or an element reaches past the end of the data. The time is bounded by the length
 * of the data, however large `count` is. With `first` and `to`, of `count` elements only those from index `first` to before `to`.
 */
export function skipElements(
  data: Uint8Array,
  options: { name: string; from: number; count: number; first?: number; to?: number },
): number {
  const { name, from, count, first = 0, to = count } = options;
  let offset = from;
  for (let index = first; index < to; index++) {
    const start = offset + PREFIX_BYTES;
    if (start > data.length) {
      throw tensorError(
        name,
        `BYTES data end inside the length prefix of element ${index}, at byte ${offset} of ${data.length}; expected ${count} elements`,
      );
    }
    offset = start + readPrefix(data, offset);
    if (offset > data.length) {
      throw tensorError(
        name,
        `BYTES element ${index} at byte ${start} is ${offset - start} bytes long; only ${data.length - start} are left`,
      );
    }
  }
  return offset;
}

/**
 * The elements of a BYTES tensor in row-major order, as views into its data (no copy). Throws 'invalid_tensor' for
 * another datatype, and if the data does not hold exactly product(shape) elements.
 */
export function bytesElements(tensor: Tensor): Uint8Array[] {
  if (tensor.datatype !== 'BYTES') throw tensorError(tensor.name, `has datatype ${tensor.datatype}; expected BYTES`);
  checkTensor(tensor);
  const { data } = tensor;
  const elements: Uint8Array[] = [];
  for (let offset = 0; offset < data.length;) {
    const start = offset + PREFIX_BYTES;
    offset = start + readPrefix(data, offset);
    elements.push(data.subarray(start, offset));
  }
  return elements;
}

/** The data of a BYTES tensor with these elements. Strings are encoded as UTF-8. */
export function encodeBytes(elements: readonly (string | Uint8Array)[]): Uint8Array {
  let total = 0;
  for (const element of elements) {
    const length = typeof element === 'string' ? Buffer.byteLength(element) : element.length;
    if (length > MAX_ELEMENT_BYTES)
      throw tensorError('', `a BYTES element has ${length} bytes; expected at most 2^32-1`);
    total += PREFIX_BYTES + length;
  }
  const data = Buffer.allocUnsafeSlow(total);
  let offset = 0;
  for (const element of elements) {
    const start = offset + PREFIX_BYTES;
    if (typeof element === 'string') {
      offset = start + data.write(element, start);
    } else {
      data.set(element, start);
      offset = start + element.length;
    }
    data.writeUInt32LE(offset - start, start - PREFIX_BYTES);
  }
  return data;
}

/**
 * Checks that the data of a tensor matches its datatype and shape. Throws 'invalid_tensor' if the length is wrong, if a
 * length prefix of BYTES is wrong, or if a byte of BOOL is not 0 or 1 (native code would read it as either).
 */
export function checkTensor(tensor: Tensor): void {
  const { name, datatype, shape, data } = tensor;
  if (datatype === 'BYTES') {
    const count = elementCount(shape, name);
    checkBytesEnd(tensor, { end: skipElements(data, { name, from: 0, count }), count });
    return;
  }
  checkLength(name, datatype, { shape, data });
  if (datatype === 'BOOL') checkBooleans(data, { name, from: 0, to: data.length });
}

/** Throws 'invalid_tensor' if a tensor of fixed-width elements has another number of bytes than its shape requires. */
export function checkLength(
  name: string,
  datatype: FixedDatatype,
  { shape, data }: { readonly shape: readonly number[]; readonly data: Uint8Array },
): void {
  const expected = byteLength(datatype, shape, name);
  if (data.length === expected) return;
  throw tensorError(name, `data have ${data.length} bytes; expected ${expected} for ${datatype}[${shape.join(',')}]`);
}

/** Throws 'invalid_tensor' if bytes follow the last element of a BYTES tensor. */
export function checkBytesEnd({ name, data }: Tensor, { end, count }: { end: number; count: number }): void {
  if (end === data.length) return;
  throw tensorError(name, `BYTES data have ${data.length - end} bytes after the last of ${count} elements; expected 0`);
}

/** Throws 'invalid_tensor' if one of the bytes is neither 0 nor 1. */
export function checkBooleans(data: Uint8Array, options: { name: string; from: number; to: number }): void {
  const { name, from, to } = options;
  for (let at = from; at < to; at++) {
    if ((data[at] ?? 0) > 1) throw tensorError(name, `BOOL byte ${at} is ${describeValue(data[at])}; expected 0 or 1`);
  }
}

function readPrefix(data: Uint8Array, offset: number): number {
  const low = (data[offset] ?? 0) | ((data[offset + 1] ?? 0) << 8) | ((data[offset + 2] ?? 0) << 16);
  return low + (data[offset + 3] ?? 0) * 2 ** 24;
}
