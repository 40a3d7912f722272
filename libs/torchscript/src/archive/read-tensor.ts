import { modelError } from '../torchscript-error.ts';
import { SCALAR_TYPE_BYTES } from '../scalar-type.ts';
import type { PickleTensor } from '../pickle/pickle-value.ts';
import type { ByteRangeInFile, TorchScriptArchive } from './torchscript-archive.ts';

/** Largest size of a tensor that repeats elements of a smaller storage (expand). */
const MAX_EXPANDED_BYTES = 256 * 2 ** 20;

/**
 * A tensor's elements as contiguous, row-major, little-endian bytes, for any strides. Reads only the part of the storage that the
 * tensor uses. The result may share memory with the source: do not write to it.
 *
 * @throws SconceError `model_invalid` if the storage's record is too short, or if the tensor repeats a small storage so often that
 * it becomes too large.
 */
export async function readTensor(archive: TorchScriptArchive, tensor: PickleTensor): Promise<Uint8Array> {
  const width = SCALAR_TYPE_BYTES[tensor.storage.dtype];
  const count = elementsOf(tensor);
  if (count === 0) return new Uint8Array(0);
  const span = spanOf(tensor);
  if (count > span && count * width > MAX_EXPANDED_BYTES) {
    const message = `a tensor of shape [${tensor.sizes.join(', ')}] repeats ${span} elements of ${tensor.storage.record} into ${count}: at most ${MAX_EXPANDED_BYTES} bytes are written out`;
    throw modelError('archive', message, { record: tensor.storage.record });
  }
  const bytes = await readSpan(archive, tensor, span * width);
  return isContiguous(tensor) ? bytes : gather(bytes, tensor, count, width);
}

/**
 * The range of a tensor's bytes in the file, for use in place; undefined unless the tensor is contiguous and its record is stored
 * uncompressed.
 */
export function contiguousRange(archive: TorchScriptArchive, tensor: PickleTensor): ByteRangeInFile | undefined {
  const range = archive.recordRange(tensor.storage.record);
  if (range === undefined || !isContiguous(tensor)) return undefined;
  const width = SCALAR_TYPE_BYTES[tensor.storage.dtype];
  const start = tensor.storageOffset * width;
  const length = elementsOf(tensor) * width;
  return length > 0 && start + length > range.length
    ? undefined
    : { offset: range.offset + Math.min(start, range.length), length };
}

function elementsOf({ sizes }: PickleTensor): number {
  return sizes.reduce((product, size) => product * size, 1);
}

/** Number of elements from the first to the last element that the tensor uses. */
function spanOf({ sizes, strides }: PickleTensor): number {
  return sizes.reduce((last, size, i) => last + (size - 1) * (strides[i] as number), 0) + 1;
}

/** Whether a tensor is row-major without gaps. The stride of a dimension of one element does not matter. */
function isContiguous({ sizes, strides }: PickleTensor): boolean {
  if (sizes.includes(0)) return true;
  let expected = 1;
  for (let i = sizes.length - 1; i >= 0; i--) {
    const size = sizes[i] as number;
    if (size !== 1 && strides[i] !== expected) return false;
    expected *= size;
  }
  return true;
}

async function readSpan(archive: TorchScriptArchive, tensor: PickleTensor, length: number): Promise<Uint8Array> {
  const { dtype, record } = tensor.storage;
  const start = tensor.storageOffset * SCALAR_TYPE_BYTES[dtype];
  const range = archive.recordRange(record);
  const inflated = range === undefined ? await archive.readRecord(record) : undefined;
  const available = range?.length ?? inflated?.length ?? 0;
  if (start + length > available) {
    const message = `record ${record} has ${available} bytes, but a tensor in it needs ${start + length}`;
    throw modelError('archive', message, { record });
  }
  if (inflated !== undefined) return inflated.subarray(start, start + length);
  return archive.source.read((range?.offset ?? 0) + start, length);
}

/** Copies the elements in the order of the output, with a counter per dimension. */
function gather(bytes: Uint8Array, { sizes, strides }: PickleTensor, count: number, width: number): Uint8Array {
  const result = new Uint8Array(count * width);
  const position = sizes.map(() => 0);
  let from = 0;
  for (let to = 0; to < result.length; to += width) {
    for (let k = 0; k < width; k++) result[to + k] = bytes[from + k] as number;
    for (let dim = sizes.length - 1; dim >= 0; dim--) {
      const size = sizes[dim] as number;
      const stride = (strides[dim] as number) * width;
      position[dim] = (position[dim] as number) + 1;
      from += stride;
      if (position[dim] !== size) break;
      position[dim] = 0;
      from -= stride * size;
    }
  }
  return result;
}
