import { SconceError } from '@sconce/errors';
import { DATATYPE_BYTES, type Datatype, type Tensor } from './datatype.ts';
import { byteLength, elementCount, MAX_RANK } from './shape.ts';
import { tensorError } from './tensor-error.ts';

/** The datatype for each element type of the format. The format has no strings. */
const DATATYPE_OF: Readonly<Record<string, Datatype>> = {
  BOOL: 'BOOL',
  U8: 'UINT8',
  U16: 'UINT16',
  U32: 'UINT32',
  U64: 'UINT64',
  I8: 'INT8',
  I16: 'INT16',
  I32: 'INT32',
  I64: 'INT64',
  F16: 'FP16',
  BF16: 'BF16',
  F32: 'FP32',
  F64: 'FP64',
};
const NAME_OF = new Map(Object.entries(DATATYPE_OF).map(([name, datatype]) => [datatype, name]));

function fileError(message: string): SconceError {
  return new SconceError('invalid_tensor', message);
}

/** The format limits its header to this length. */
const MAX_HEADER_BYTES = 100_000_000;

/**
 * Reads a safetensors file: 8 bytes with the length of the JSON header, the header, and the bytes of the tensors. The data
 * of the tensors are views of `bytes`.
 *
 * @throws SconceError `invalid_tensor` that says what is wrong with the file.
 */
export function decodeSafetensors(bytes: Uint8Array): Map<string, Tensor> {
  if (bytes.byteLength < 8)
    throw fileError(`the safetensors file has ${bytes.byteLength} bytes; expected at least 8: it is cut off`);
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length > MAX_HEADER_BYTES || 8 + Number(length) > bytes.byteLength) {
    throw fileError(
      `the safetensors header claims ${length} bytes; the file has ${bytes.byteLength}: it is cut off or is not a safetensors file`,
    );
  }
  const start = 8 + Number(length);
  const header = parseHeader(bytes.subarray(8, start));
  const tensors = new Map<string, Tensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name !== '__metadata__') tensors.set(name, decodeEntry(name, entry, bytes.subarray(start)));
  }
  return tensors;
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  try {
    const header: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (typeof header === 'object' && header !== null && !Array.isArray(header))
      return header as Record<string, unknown>;
  } catch {
    // The error below covers this case too.
  }
  throw fileError('the header is not a JSON object; expected a safetensors file');
}

function decodeEntry(name: string, entry: unknown, data: Uint8Array): Tensor {
  const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Record<string, unknown>;
  const datatype = typeof dtype === 'string' ? DATATYPE_OF[dtype] : undefined;
  if (datatype === undefined)
    throw tensorError(
      name,
      `dtype ${String(dtype)} is not supported; expected one of ${Object.keys(DATATYPE_OF).join(', ')}`,
    );
  if (!isSizes(shape) || shape.length > MAX_RANK) {
    throw tensorError(name, `shape is not a list of at most ${MAX_RANK} whole numbers`);
  }
  if (!isSizes(offsets) || offsets.length !== 2)
    throw tensorError(name, `data_offsets is not a list of two whole numbers`);
  const [from = 0, to = 0] = offsets;
  const wanted = elementCount(shape) * (DATATYPE_BYTES[datatype] ?? 0);
  if (to < from || to > data.byteLength || to - from !== wanted) {
    throw tensorError(
      name,
      `data_offsets are ${from} and ${to}; expected ${wanted} bytes within the ${data.byteLength} bytes of data`,
    );
  }
  return { name, datatype, shape, data: data.subarray(from, to) };
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

/**
 * Writes a safetensors file with these tensors, in their order.
 *
 * @throws SconceError `invalid_tensor` for BYTES, because the format has no strings.
 */
export function encodeSafetensors(tensors: readonly Tensor[]): Uint8Array {
  const header: Record<string, unknown> = {};
  let at = 0;
  for (const { name, datatype, shape } of tensors) {
    const dtype = NAME_OF.get(datatype);
    if (dtype === undefined) throw tensorError(name, `safetensors files cannot hold ${datatype}`);
    const size = byteLength(datatype as Exclude<Datatype, 'BYTES'>, shape);
    header[name] = { dtype, shape, data_offsets: [at, at + size] };
    at += size;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const padded = Math.ceil(text.byteLength / 8) * 8;
  const bytes = new Uint8Array(8 + padded + at);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.fill(0x20, 8, 8 + padded);
  bytes.set(text, 8);
  let offset = 8 + padded;
  for (const { data } of tensors) {
    bytes.set(data, offset);
    offset += data.byteLength;
  }
  return bytes;
}
