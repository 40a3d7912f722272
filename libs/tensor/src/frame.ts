import { SconceError, toSconceError } from '@sconce/errors';
import { checkTensor } from './bytes-elements.ts';
import { isDatatype, type Tensor, type TensorSpec } from './datatype.ts';

/*
 * Layout, little-endian:
 *   0  4 bytes  magic "SCNF"
 *   4  u32      version, 1
 *   8  u32      bytes of the header
 *  12  header   UTF-8 JSON {meta, tensors: [{name, datatype, shape, bytes}]}
 *      tensors  each at the next multiple of 8 from the start of the frame; the frame ends with the last one
 */
const MAGIC = Buffer.from('SCNF', 'latin1');
const VERSION = 1;
const PREFIX_BYTES = 12;
const ALIGNMENT = 8;
const ZEROS = new Uint8Array(ALIGNMENT);

/** What a frame carries: a JSON value of the caller's and tensors. */
export interface Frame {
  readonly meta: unknown;
  readonly tensors: readonly Tensor[];
}

interface FrameTensor extends TensorSpec {
  readonly bytes: number;
}

/**
 * Packs tensors and a JSON value into one buffer: the form in which they cross Redis and threads. Copies the data; the
 * frame starts at an 8-byte boundary of fresh memory, so a reader's views need no copy. Throws 'invalid_tensor' for a
 * tensor whose data do not fit its shape, 'internal' for a `meta` that JSON cannot carry.
 */
export function encodeFrame(frame: Frame): Buffer {
  const { pieces, byteLength } = framePieces(frame);
  const bytes = Buffer.allocUnsafeSlow(byteLength);
  let offset = 0;
  for (const piece of pieces) {
    bytes.set(piece, offset);
    offset += piece.byteLength;
  }
  return bytes;
}

/** The bytes of a frame as they follow each other; the tensors' own memory is among them, not a copy. Throws as `encodeFrame`. */
export function framePieces(frame: Frame): { readonly pieces: readonly Uint8Array[]; readonly byteLength: number } {
  const tensors = frame.tensors.map((tensor): FrameTensor => {
    checkTensor(tensor);
    const { name, datatype, shape, data } = tensor;
    return { name, datatype, shape, bytes: data.length };
  });
  const header = Buffer.from(stringify({ meta: frame.meta, tensors }));
  const head = Buffer.allocUnsafe(PREFIX_BYTES + header.length);
  head.set(MAGIC);
  head.writeUInt32LE(VERSION, 4);
  head.writeUInt32LE(header.length, 8);
  head.set(header, PREFIX_BYTES);
  const pieces: Uint8Array[] = [head];
  let byteLength = head.length;
  for (const { data } of frame.tensors) {
    const gap = align(byteLength) - byteLength;
    if (gap > 0) pieces.push(ZEROS.subarray(0, gap));
    pieces.push(data);
    byteLength += gap + data.length;
  }
  return { pieces, byteLength };
}

/**
 * Unpacks a frame; the tensors' data are views into `bytes`. Frames are our own, so one that is truncated, of another
 * version or not true to its header is our fault: 'internal', with what was expected and found.
 */
export function decodeFrame(bytes: Uint8Array): { meta: unknown; tensors: Tensor[] } {
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (frame.length < PREFIX_BYTES) throw bad(`has ${frame.length} bytes; expected at least ${PREFIX_BYTES}`);
  if (!frame.subarray(0, 4).equals(MAGIC))
    throw bad(`begins with ${frame.toString('hex', 0, 4)}; expected ${MAGIC.toString('hex')}`);
  const version = frame.readUInt32LE(4);
  if (version !== VERSION)
    throw bad(`has version ${version}; expected ${VERSION}: are all processes of the same release?`);
  const headerEnd = PREFIX_BYTES + frame.readUInt32LE(8);
  if (headerEnd > frame.length) throw bad(`has ${frame.length} bytes; its header ends at ${headerEnd}`);

  const header = parse(frame.toString('utf8', PREFIX_BYTES, headerEnd)) as { meta?: unknown; tensors?: unknown } | null;
  if (!Array.isArray(header?.tensors)) throw bad('has a header without a list of tensors');
  let offset = headerEnd;
  const tensors = header.tensors.map((entry: unknown, index): Tensor => {
    if (!isFrameTensor(entry)) throw bad(`has a header whose tensor ${index} is not {name, datatype, shape, bytes}`);
    const start = align(offset);
    offset = start + entry.bytes;
    if (offset > bytes.length) throw bad(`has ${bytes.length} bytes; tensor ${index} ends at ${offset}`);
    const { name, datatype, shape } = entry;
    const tensor = { name, datatype, shape, data: bytes.subarray(start, offset) };
    try {
      checkTensor(tensor);
    } catch (error) {
      throw bad(toSconceError(error).message, error);
    }
    return tensor;
  });
  if (offset !== bytes.length) throw bad(`has ${bytes.length} bytes; its last tensor ends at ${offset}`);
  return { meta: header.meta, tensors };
}

function isFrameTensor(entry: unknown): entry is FrameTensor {
  if (typeof entry !== 'object' || entry === null) return false;
  const { name, datatype, shape, bytes } = entry as Record<keyof FrameTensor, unknown>;
  return (
    typeof name === 'string' &&
    isDatatype(datatype) &&
    Array.isArray(shape) &&
    shape.every((dimension) => typeof dimension === 'number') &&
    Number.isSafeInteger(bytes) &&
    (bytes as number) >= 0
  );
}

function align(offset: number): number {
  return Math.ceil(offset / ALIGNMENT) * ALIGNMENT;
}

function stringify(header: unknown): string {
  try {
    return JSON.stringify(header);
  } catch (error) {
    throw bad('cannot be written: its meta is not a JSON value', error);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw bad('has a header that is not JSON', error);
  }
}

function bad(message: string, cause?: unknown): SconceError {
  return new SconceError('internal', `internal frame ${message}`, { cause });
}
