import { SconceError, toSconceError } from '@sconce/errors';
import { checkTensor } from './bytes-elements.ts';
import { isDatatype, type Tensor, type TensorSpec } from './datatype.ts';

/*
 * Layout, little-endian:
 *   0  4 bytes  magic "SCNF"
 *   4  u32      version, 1
 *   8  u32      bytes of the header
 *  12  header   UTF-8 JSON {meta, tensors: [{name, datatype, shape, bytes}]}
 *      tensors  each starts at the next multiple of 8 from the start of the frame; the frame ends with the last tensor
 */
const MAGIC = Buffer.from('SCNF', 'latin1');
const VERSION = 1;
const PREFIX_BYTES = 12;
const ALIGNMENT = 8;
const ZEROS = new Uint8Array(ALIGNMENT);

/** The content of a frame: tensors, and a JSON value of the caller. */
export interface Frame {
  readonly meta: unknown;
  readonly tensors: readonly Tensor[];
}

interface FrameTensor extends TensorSpec {
  readonly bytes: number;
}

/**
 * Packs tensors and a JSON value into one buffer, which can be sent through Redis or to a thread. Copies the data. The
 * buffer is new memory that starts at an 8-byte boundary, so typed views of its tensors need no copy. Throws
 * 'invalid_tensor' if the data of a tensor does not match its shape, 'internal' if JSON cannot hold `meta`.
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

/**
 * The bytes of a frame as a list of pieces in order. The data of the tensors is not copied: the pieces contain their own
 * memory. Throws as `encodeFrame` does.
 */
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
 * Unpacks a frame. The data of the tensors are views into `bytes`. Only Sconce writes frames, so a frame that is
 * truncated, has another version or contradicts its header throws 'internal', with the expected and the found value.
 */
export function decodeFrame(bytes: Uint8Array): { meta: unknown; tensors: Tensor[] } {
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (frame.length < PREFIX_BYTES) throw frameError(`has ${frame.length} bytes; expected at least ${PREFIX_BYTES}`);
  if (!frame.subarray(0, 4).equals(MAGIC))
    throw frameError(`starts with ${frame.toString('hex', 0, 4)}; expected ${MAGIC.toString('hex')}`);
  const version = frame.readUInt32LE(4);
  if (version !== VERSION)
    throw frameError(`has version ${version}; expected ${VERSION}: are all processes of the same release?`);
  const headerEnd = PREFIX_BYTES + frame.readUInt32LE(8);
  if (headerEnd > frame.length) throw frameError(`has ${frame.length} bytes; its header ends at ${headerEnd}`);

  const header = parse(frame.toString('utf8', PREFIX_BYTES, headerEnd)) as { meta?: unknown; tensors?: unknown } | null;
  if (!Array.isArray(header?.tensors)) throw frameError('has a header without a list of tensors');
  let offset = headerEnd;
  const tensors = header.tensors.map((entry: unknown, index): Tensor => {
    if (!isFrameTensor(entry))
      throw frameError(`has a header whose tensor ${index} is not {name, datatype, shape, bytes}`);
    const start = align(offset);
    offset = start + entry.bytes;
    if (offset > bytes.length) throw frameError(`has ${bytes.length} bytes; tensor ${index} ends at ${offset}`);
    const { name, datatype, shape } = entry;
    const tensor = { name, datatype, shape, data: bytes.subarray(start, offset) };
    try {
      checkTensor(tensor);
    } catch (error) {
      throw frameError(toSconceError(error).message, error);
    }
    return tensor;
  });
  if (offset !== bytes.length) throw frameError(`has ${bytes.length} bytes; its last tensor ends at ${offset}`);
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
    throw frameError('cannot be written: its meta is not a JSON value', error);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw frameError('has a header that is not JSON', error);
  }
}

function frameError(message: string, cause?: unknown): SconceError {
  return new SconceError('internal', `internal frame ${message}`, { cause });
}
