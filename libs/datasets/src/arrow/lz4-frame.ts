const MAGIC = 0x184d2204;
const MIN_MATCH = 4;
const UNCOMPRESSED = 0x8000_0000;

/**
 * Decompresses an LZ4 frame into exactly `length` bytes. Blocks may refer to earlier blocks, as Arrow writes them. Checksums are not checked.
 * It never reads or writes outside its buffers. @throws RangeError or Error if it is not such a frame.
 */
export function lz4Frame(frame: Uint8Array, length: number): Uint8Array {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (view.getUint32(0, true) !== MAGIC) throw new Error('a buffer is not an LZ4 frame');
  const flags = view.getUint8(4);
  const blockChecksum = (flags & 0x10) === 0 ? 0 : 4;
  // Magic, flags and block size; then the size of the content and the id of a dictionary, if present; then a checksum.
  let at = 6 + ((flags & 0x08) === 0 ? 0 : 8) + ((flags & 0x01) === 0 ? 0 : 4) + 1;
  const out = new Uint8Array(length);
  let to = 0;
  for (;;) {
    const size = view.getUint32(at, true);
    at += 4;
    if (size === 0) break;
    const bytes = size & ~UNCOMPRESSED;
    if (bytes > frame.length - at) throw new RangeError('an LZ4 frame is cut off');
    const block = frame.subarray(at, at + bytes);
    if ((size & UNCOMPRESSED) === 0) {
      to = lz4Block(block, out, to);
    } else {
      out.set(block, to);
      to += bytes;
    }
    at += bytes + blockChecksum;
  }
  if (to !== length) throw new Error(`an LZ4 frame has ${to} bytes; expected ${length}`);
  return out;
}

/** Decompresses a block into `out` from `start` on. Returns the end of its output. */
function lz4Block(block: Uint8Array, out: Uint8Array, start: number): number {
  let to = start;
  for (let at = 0; at < block.length;) {
    const token = block[at++] ?? 0;
    let literals = token >> 4;
    if (literals === 15) {
      let byte: number;
      do {
        byte = block[at++] ?? 0;
        literals += byte;
      } while (byte === 255);
    }
    if (literals > block.length - at || literals > out.length - to) throw new RangeError('an LZ4 block is damaged');
    out.set(block.subarray(at, at + literals), to);
    at += literals;
    to += literals;
    // The last sequence has no match.
    if (at >= block.length) break;
    const distance = (block[at] ?? 0) | ((block[at + 1] ?? 0) << 8);
    at += 2;
    let match = (token & 15) + MIN_MATCH;
    if (match === 15 + MIN_MATCH) {
      let byte: number;
      do {
        byte = block[at++] ?? 0;
        match += byte;
      } while (byte === 255);
    }
    if (distance === 0 || distance > to || match > out.length - to) throw new RangeError('an LZ4 block is damaged');
    if (distance >= match && match > 32) out.copyWithin(to, to - distance, to - distance + match);
    else for (let index = to; index < to + match; index++) out[index] = out[index - distance] ?? 0;
    to += match;
  }
  return to;
}
