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

/** Where the data of a tensor lies in a frame. */
export interface PlacedTensor extends TensorSpec {
  readonly offset: number;
  readonly byteLength: number;
}

/** Bytes at the start of a frame that say where its header ends. */
export const FRAME_PREFIX_BYTES = PREFIX_BYTES;

/** Where the header of a frame ends. `bytes` begin with the frame's prefix. Throws 'internal' as `decodeFrame` does. */
export function frameHeaderEnd(bytes: Uint8Array): number {
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (frame.length < PREFIX_BYTES) throw frameError(`has ${frame.length} bytes; expected at least ${PREFIX_BYTES}`);
  if (!frame.subarray(0, 4).equals(MAGIC))
    throw frameError(`starts with ${frame.toString('hex', 0, 4)}; expected ${MAGIC.toString('hex')}`);
  const version = frame.readUInt32LE(4);
  if (version !== VERSION)
    throw frameError(`has version ${version}; expected ${VERSION}: are all processes of the same release?`);
  return PREFIX_BYTES + frame.readUInt32LE(8);
}

/** Reads the beginning of a frame, up to `frameHeaderEnd`. Throws 'internal' as `decodeFrame` does. */
export function readFrameHeader(bytes: Uint8Array): { readonly meta: unknown; readonly tensors: PlacedTensor[] } {
  const header = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const content = parse(header.toString('utf8', PREFIX_BYTES)) as { meta?: unknown; tensors?: unknown } | null;
  if (!Array.isArray(content?.tensors)) throw frameError('has a header without a list of tensors');
  let end = header.length;
  const tensors = content.tensors.map((entry: unknown, index): PlacedTensor => {
    if (!isFrameTensor(entry))
      throw frameError(`has a header whose tensor ${index} is not {name, datatype, shape, bytes}`);
    const { name, datatype, shape, bytes: byteLength } = entry;
    const offset = align(end);
    end = offset + byteLength;
    return { name, datatype, shape, offset, byteLength };
  });
  return { meta: content.meta, tensors };
}

/**
 * Unpacks a frame. The data of the tensors are views into `bytes`. Only Sconce writes frames, so a frame that is
 * truncated, has another version or contradicts its header throws 'internal', with the expected and the found value.
 */
export function decodeFrame(bytes: Uint8Array): { meta: unknown; tensors: Tensor[] } {
  const headerEnd = frameHeaderEnd(bytes);
  if (headerEnd > bytes.length) throw frameError(`has ${bytes.length} bytes; its header ends at ${headerEnd}`);
  const { meta, tensors: placed } = readFrameHeader(bytes.subarray(0, headerEnd));
  let end = headerEnd;
  const tensors = placed.map(({ name, datatype, shape, offset, byteLength }, index): Tensor => {
    end = offset + byteLength;
    if (end > bytes.length) throw frameError(`has ${bytes.length} bytes; tensor ${index} ends at ${end}`);
    const tensor = { name, datatype, shape, data: bytes.subarray(offset, end) };
    try {
      checkTensor(tensor);
    } catch (error) {
      throw frameError(toSconceError(error).message, error);
    }
    return tensor;
  });
  if (end !== bytes.length) throw frameError(`has ${bytes.length} bytes; its last tensor ends at ${end}`);
  return { meta, tensors };
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
