import { formatSpec, type Tensor } from './datatype.ts';
import { byteLength, elementCount } from './shape.ts';
import { skipElements } from './bytes-elements.ts';
import { quote, tensorError } from './tensor-error.ts';

/** Number of rows of a tensor: its size along axis 0. Throws 'invalid_tensor' for a scalar, which has no axis. */
export function rowCount(tensor: Tensor): number {
  const rows = tensor.shape[0];
  if (rows === undefined) throw tensorError(tensor.name, 'is a scalar; expected at least one axis to count rows along');
  return rows;
}

/**
 * Rows `start` (included) to `end` (excluded) as a view, without a copy. Throws 'invalid_tensor' if the tensor does not
 * have these rows.
 */
export function sliceRows(tensor: Tensor, start: number, end: number): Tensor {
  const rows = rowCount(tensor);
  if (!Number.isInteger(start) || !Number.isInteger(end) || start < 0 || start > end || end > rows) {
    throw tensorError(tensor.name, `cannot take rows ${start} to ${end} of ${formatSpec(tensor)}`);
  }
  const from = rowsEnd(tensor, 0, start);
  return { ...withRows(tensor, end - start), data: tensor.data.subarray(from, rowsEnd(tensor, from, end - start)) };
}

/**
 * Splits a tensor into parts of `counts` rows, in order. The parts are views, without a copy. BYTES data is scanned
 * once. Throws 'invalid_tensor' if the sum of the counts is not the tensor's number of rows.
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
 * Joins tensors along axis 0, in order. A single tensor is returned as it is, otherwise the data is copied. Throws
 * 'invalid_tensor' if names, datatypes or inner shapes differ, and for an empty list.
 */
export function concatRows(tensors: readonly Tensor[]): Tensor {
  const { first, rows, bytes } = checkJoinable(tensors);
  if (tensors.length === 1) return first;
  const data = Buffer.allocUnsafeSlow(bytes);
  copyInto(data, tensors);
  return { ...withRows(first, rows), data };
}

/**
 * Does the same as `concatRows` but writes into `target`, from its start, and returns a tensor whose data is a view of
 * `target`. The memory may be shared with a thread. Throws as `concatRows` does, and if `target` is too small. In these
 * cases nothing is written.
 */
export function writeRows(target: Uint8Array, tensors: readonly Tensor[]): Tensor {
  const { first, rows, bytes } = checkJoinable(tensors);
  if (bytes > target.length)
    throw tensorError(first.name, `${rows} rows take ${bytes} bytes; the target has only ${target.length}`);
  copyInto(target, tensors);
  return { ...withRows(first, rows), data: target.subarray(0, bytes) };
}

/**
 * Pads a tensor to `rows` rows by repeating its last row, for a model with a locked batch axis. A tensor that has
 * `rows` rows already is returned as it is.
 *
 * A repeated row is valid input. Zeros may not be: a model may divide by the sum of a row, look up an id or parse a
 * string, and then fail. For the same reason a tensor with 0 rows cannot be padded. Throws 'invalid_tensor' for it, and
 * if the tensor has more than `rows` rows.
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

/** Byte offset of the end of `count` rows that start at byte `from`. */
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

/** Checks that tensors can be joined along axis 0. Returns the first tensor and the sums of their rows and bytes. */
function checkJoinable(tensors: readonly Tensor[]): { first: Tensor; rows: number; bytes: number } {
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
