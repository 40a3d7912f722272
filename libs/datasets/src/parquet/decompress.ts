import { brotliDecompressSync, unzipSync, zstdDecompressSync } from 'node:zlib';
import { snappyUncompress } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import type { CompressionCodec } from './hyparquet-parts.ts';
import { PageProblem } from './page-header.ts';

/** Up to here snappy is decompressed in WebAssembly, whose memory never shrinks. */
const MAX_WASM_BYTES = 8 * 1024 ** 2;
const HADOOP_FRAME_BYTES = 8;

/**
 * The bytes of a page, exactly `length` of them. Node's own zlib does what it can: it is native, and held to `length` whatever the bytes
 * claim. @throws PageProblem for an unknown codec or another length, and what the codec throws for damaged bytes.
 */
export function decompress(bytes: Uint8Array, codec: CompressionCodec, length: number): Uint8Array {
  // What stands for nothing differs from writer to writer.
  if (length === 0) return bytes.subarray(0, 0);
  const page = decompressed(bytes, codec, length);
  if (page.byteLength === length) return page;
  throw new PageProblem(`a page has ${page.byteLength} bytes after decompression, not the ${length} that it claims`);
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
        `pages are compressed with ${codec ?? 'an unknown codec'}, which cannot be read`,
        'Write the file with zstd, snappy or no compression.',
      );
  }
}

function snappy(bytes: Uint8Array, length: number): Uint8Array {
  // Neither decoder looks at the length in front: a wrong one would leave the end of the page as it was before.
  if (varint(bytes) !== length) throw new PageProblem(`a page does not have the ${length} bytes that it claims`);
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

/** LZ4 as Hadoop frames it: lengths before and after compression in front of each block. Some writers leave that out. */
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
