import { brotliDecompressSync, unzipSync, zstdDecompressSync } from 'node:zlib';
import { snappyUncompress } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import type { CompressionCodec } from './hyparquet-parts.ts';
import { PageProblem } from './page-header.ts';

/** Pages up to this size are decompressed with snappy in WebAssembly, whose memory never shrinks. */
const MAX_WASM_BYTES = 8 * 1024 ** 2;
const HADOOP_FRAME_BYTES = 8;

/**
 * Decompresses a page into exactly `length` bytes. Node's zlib is used for its codecs: it is native, and its output is limited to `length`.
 * @throws PageProblem for an unknown codec or another length; the codec's error for damaged bytes.
 */
export function decompress(bytes: Uint8Array, codec: CompressionCodec, length: number): Uint8Array {
  // Writers differ in how they store an empty page.
  if (length === 0) return bytes.subarray(0, 0);
  const page = decompressed(bytes, codec, length);
  if (page.byteLength === length) return page;
  throw new PageProblem(`a page has ${page.byteLength} bytes after decompression, and its header says ${length}`);
}

function decompressed(bytes: Uint8Array, codec: CompressionCodec, length: number): Uint8Array {
  const limit = { maxOutputLength: length };
  switch (codec) {
    case 'UNCOMPRESSED':
      return bytes;
    case 'SNAPPY':
      return snappy(bytes, length);
    case 'GZIP':
      return unzipSync(bytes, limit);
    case 'BROTLI':
      return brotliDecompressSync(bytes, limit);
    case 'ZSTD':
      return zstdDecompressSync(bytes, limit);
    case 'LZ4_RAW':
      return lz4(bytes, length);
    case 'LZ4':
      return hadoopLz4(bytes, length);
    default:
      throw new PageProblem(
        `pages are compressed with ${codec ?? 'an unknown codec'}, which is not supported`,
        'Write the file with zstd, snappy or no compression.',
      );
  }
}

function snappy(bytes: Uint8Array, length: number): Uint8Array {
  // Neither decoder checks the length at the start. With a wrong length the end of the page would keep old bytes.
  if (varint(bytes) !== length) throw new PageProblem(`a page does not have ${length} bytes, as its header says`);
  const { SNAPPY } = compressors;
  if (SNAPPY !== undefined && length <= MAX_WASM_BYTES) return SNAPPY(bytes, length);
  const page = new Uint8Array(length);
  snappyUncompress(bytes, page);
  return page;
}

function varint(bytes: Uint8Array): number {
  let value = 0;
  for (let index = 0; index < 5; index++) {
    const byte = bytes[index] ?? 0;
    value += (byte & 127) * 128 ** index;
    if (byte < 128) break;
  }
  return value;
}

function lz4(bytes: Uint8Array, length: number): Uint8Array {
  const { LZ4_RAW } = compressors;
  if (LZ4_RAW === undefined) throw new PageProblem('LZ4 cannot be decompressed');
  return LZ4_RAW(bytes, length);
}

/** LZ4 in Hadoop's frames: each block follows its lengths before and after compression. Some writers leave the lengths out. */
function hadoopLz4(bytes: Uint8Array, length: number): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const blocks: { at: number; bytes: number; length: number }[] = [];
  let whole = 0;
  let at = 0;
  while (at + HADOOP_FRAME_BYTES <= bytes.byteLength) {
    const block = { at: at + HADOOP_FRAME_BYTES, length: view.getUint32(at), bytes: view.getUint32(at + 4) };
    whole += block.length;
    at = block.at + block.bytes;
    blocks.push(block);
  }
  if (at !== bytes.byteLength || whole !== length) return lz4(bytes, length);
  const page = new Uint8Array(length);
  let to = 0;
  for (const block of blocks) {
    page.set(lz4(bytes.subarray(block.at, block.at + block.bytes), block.length), to);
    to += block.length;
  }
  return page;
}
