import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { decompress } from './decompress.ts';
import type { CompressionCodec } from './hyparquet-parts.ts';

const CONTENT = Buffer.from('to be, or not to be, that is the question, to be sure');

/** LZ4 without matches: a block of literals. */
function lz4Block(bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([0xf0, bytes.length - 15]), bytes]);
}

function hadoopFrame(bytes: Uint8Array): Buffer {
  const block = lz4Block(bytes);
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(bytes.length, 0);
  lengths.writeUInt32BE(block.length, 4);
  return Buffer.concat([lengths, block]);
}

/** Snappy without matches. */
function snappy(bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([bytes.length, (bytes.length - 1) << 2]), bytes]);
}

describe('decompress', () => {
  it.each<[CompressionCodec, Uint8Array]>([
    ['UNCOMPRESSED', CONTENT],
    ['GZIP', gzipSync(CONTENT)],
    ['GZIP', Buffer.concat([gzipSync(CONTENT.subarray(0, 10)), gzipSync(CONTENT.subarray(10))])],
    ['BROTLI', brotliCompressSync(CONTENT)],
    ['ZSTD', zstdCompressSync(CONTENT)],
    ['SNAPPY', snappy(CONTENT)],
    ['LZ4_RAW', lz4Block(CONTENT)],
    ['LZ4', lz4Block(CONTENT)],
    ['LZ4', Buffer.concat([hadoopFrame(CONTENT.subarray(0, 20)), hadoopFrame(CONTENT.subarray(20))])],
  ])('decompresses %s and refuses other lengths', (codec, bytes) => {
    expect(Buffer.from(decompress(bytes, codec, CONTENT.length))).toEqual(CONTENT);
    expect(() => decompress(bytes, codec, CONTENT.length - 1)).toThrow();
    if (codec !== 'LZ4_RAW' && codec !== 'LZ4') expect(() => decompress(bytes, codec, CONTENT.length + 1)).toThrow();
    expect(decompress(Uint8Array.of(0), codec, 0)).toHaveLength(0);
  });

  it.each<[CompressionCodec, Uint8Array]>([
    ['GZIP', gzipSync(Buffer.alloc(100_000_000))],
    ['ZSTD', zstdCompressSync(Buffer.alloc(100_000_000))],
    ['BROTLI', brotliCompressSync(Buffer.alloc(10_000_000))],
  ])('decompresses no more of %s than the length of the page', (codec, bytes) => {
    expect(() => decompress(bytes, codec, 1000)).toThrow();
  });

  it('refuses codecs that it does not support', () => {
    expect(() => decompress(CONTENT, 'LZO', 5)).toThrow('pages are compressed with LZO, which is not supported');
  });
});
