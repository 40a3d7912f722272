import { formatSpec, type Tensor } from './datatype.ts';
import { byteLength, elementCount } from './shape.ts';
import { skipElements } from './bytes-elements.ts';
import { quote, tensorError } from './tensor-error.ts';

/** Rows of a tensor: its length along axis 0. Throws 'invalid_tensor' for a scalar, which has no axis. */
export function rowCount(tensor: Tensor): number {
  const rows = tensor.shape[0];
  if (rows === undefined) throw tensorError(tensor.name, 'is a scalar; expected at least one axis to count rows along');
  return rows;
}

/** Rows `start` (included) to `end` (excluded) as a view, without a copy. Throws 'invalid_tensor' outside the tensor. */
export function sliceRows(tensor: Tensor, start: number, end: number): Tensor {
  const rows = rowCount(tensor);
  if (!Number.isInteger(start) || !Number.isInteger(end) || start < 0 || start > end || end > rows) {
    throw tensorError(tensor.name, `rows ${start} to ${end} were asked of ${formatSpec(tensor)}`);
  }
  const from = rowsEnd(tensor, 0, start);
  return { ...withRows(tensor, end - start), data: tensor.data.subarray(from, rowsEnd(tensor, from, end - start)) };
}

/**
 * Cuts a tensor into parts of `counts` rows, in order, as views without a copy; BYTES are scanned once. Throws
 * 'invalid_tensor' where the counts do not add up to the tensor's rows.
 */
export function splitRows(tensor: Tensor, counts: readonly number[]): Tensor[] {
  const rows = rowCount(tensor);
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total !== rows || counts.some((count) => !Number.isInteger(count) || count < 0)) {
    throw tensorError(tensor.name, `cannot split ${rows} rows into parts of ${counts.slice(0, 16).join(', ')} rows`);
  }
  let from = 0;
  return counts.map((count) => {
    const end = rowsEnd(tensor, from, count);
    const part = { ...withRows(tensor, count), data: tensor.data.subarray(from, end) };
    from = end;
    return part;
  });
}

/**
 * One tensor with the rows of all, in order. A single tensor is returned as it is; else the data are copied. Throws
 * 'invalid_tensor' where names, datatypes or inner shapes differ, and for an empty list.
 */
export function concatRows(tensors: readonly Tensor[]): Tensor {
  const { first, rows, bytes } = measure(tensors);
  if (tensors.length === 1) return first;
  const data = Buffer.allocUnsafeSlow(bytes);
  copyInto(data, tensors);
  return { ...withRows(first, rows), data };
}

/**
 * `concatRows` into memory of the caller's, which may be shared with a thread: writes from the start of `target` and
 * returns the tensor over it. Throws as `concatRows`, and where `target` is too small; then nothing is written.
 */
export function writeRows(target: Uint8Array, tensors: readonly Tensor[]): Tensor {
  const { first, rows, bytes } = measure(tensors);
  if (bytes > target.length)
    throw tensorError(first.name, `${rows} rows take ${bytes} bytes; the target has ${target.length}`);
  copyInto(target, tensors);
  return { ...withRows(first, rows), data: target.subarray(0, bytes) };
}

/**
 * Fills a tensor up to `rows` rows by repeating its last row, for a model that was traced with a fixed batch size.
 *
 * A repeated row is known to be valid input. Zeros may not be: a model may divide by a row's sum, look an id up or
 * parse a string, and then fail or poison the batch. For the same reason a tensor of 0 rows cannot be padded.
 * Throws 'invalid_tensor' then, and where the tensor has more than `rows` rows. With `rows` rows it is returned as is.
 */
export function padRows(tensor: Tensor, rows: number): Tensor {
  const present = rowCount(tensor);
  if (rows === present) return tensor;
  if (!Number.isSafeInteger(rows) || rows < present) {
    throw tensorError(tensor.name, `has ${present} rows; cannot pad it to ${rows}`);
  }
  if (present === 0) throw tensorError(tensor.name, `has 0 rows; cannot pad it to ${rows}: there is no row to repeat`);
  const last = sliceRows(tensor, present - 1, present).data;
  const data = Buffer.allocUnsafeSlow(tensor.data.length + last.length * (rows - present));
  data.set(tensor.data);
  for (let offset = tensor.data.length; offset < data.length; offset += last.length) data.set(last, offset);
  return { ...withRows(tensor, rows), data };
}

/** Byte offset at which the `count` rows that begin at byte `from` end. */
function rowsEnd(tensor: Tensor, from: number, count: number): number {
  const { name, datatype, data } = tensor;
  const inner = tensor.shape.slice(1);
  if (datatype === 'BYTES') return skipElements(data, { name, from, count: count * elementCount(inner, name) });
  const end = from + count * byteLength(datatype, inner, name);
  if (end > data.length) throw tensorError(name, `data have ${data.length} bytes; ${formatSpec(tensor)} needs more`);
  return end;
}

function withRows(tensor: Tensor, rows: number): Omit<Tensor, 'data'> {
  return { name: tensor.name, datatype: tensor.datatype, shape: [rows, ...tensor.shape.slice(1)] };
}

/** Checks that tensors can be joined along axis 0 and adds them up. */
function measure(tensors: readonly Tensor[]): { first: Tensor; rows: number; bytes: number } {
  const [first] = tensors;
  if (first === undefined) throw tensorError('', 'there are no tensors to concatenate; expected at least one');
  let rows = 0;
  let bytes = 0;
  for (const tensor of tensors) {
    rows += rowCount(tensor);
    bytes += tensor.data.length;
    const joins =
      tensor.name === first.name &&
      tensor.datatype === first.datatype &&
      tensor.shape.length === first.shape.length &&
      tensor.shape.every((dimension, axis) => axis === 0 || dimension === first.shape[axis]);
    if (!joins) {
      throw tensorError(
        first.name,
        `${formatSpec(first)} cannot be joined with ${quote(tensor.name)} ${formatSpec(tensor)}`,
      );
    }
  }
  return { first, rows, bytes };
}

function copyInto(target: Uint8Array, tensors: readonly Tensor[]): void {
  let offset = 0;
  for (const { data } of tensors) {
    target.set(data, offset);
    offset += data.length;
  }
}
