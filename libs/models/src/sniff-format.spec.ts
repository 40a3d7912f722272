import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { SconceError } from '@sconce/errors';
import { describe, expect, it } from 'vitest';
import { sniffFormat } from './index.ts';

const latin = (text: string): Uint8Array => Buffer.from(text, 'latin1');

describe('sniffFormat', () => {
  it.each([
    ['torchscript', latin('PK\x03\x04\0\0')],
    ['onnx', latin('\x08\x07\x12\x07pytorch\x1a\x052.1.0:\x80\x80\x04' + '\x0a'.repeat(900))],
    ['onnx', latin('\x08\x03:\x10')],
    ['onnx', latin('\x08\x0a\x12\x03abcB\x02\x10\x15:\x00')],
    ['onnx', latin('\x08\x08\x28\xff\xff\xff\xff')],
    ['onnx', latin('\x08\x08\xba')],
  ])('finds %s', (format, head) => {
    expect(sniffFormat(head)).toBe(format);
  });

  it.each([
    ['nothing', latin(''), 'is empty'],
    ['HTML', latin('\n <!DOCTYPE html><html>'), 'HTML page'],
    ['HTML with a BOM', Buffer.from('\ufeff<html lang="en">'), 'HTML page'],
    ['XML', latin('<?xml version="1.0"?>'), 'is XML'],
    ['gzip', gzipSync('x'), 'gzip'],
    ['zstd', latin('\x28\xb5\x2f\xfd'), 'zstd'],
    ['tar', Buffer.concat([latin('model.onnx'.padEnd(257, '\0')), latin('ustar\0')]), 'tar archive'],
    ['a pickle', latin('\x80\x04\x95\x10\0\0'), 'pickle, which Sconce never executes'],
    [
      'an old torch.save',
      latin('\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e'),
      'old format of torch.save',
    ],
    ['safetensors', latin('\x40\0\0\0\0\0\0\0{"weight":'), 'safetensors'],
    ['a TensorFlow SavedModel', latin('\x08\x01\x12\x10'), 'TensorFlow SavedModel'],
    ['TensorFlow Lite', latin('\x1c\0\0\0TFL3'), 'TensorFlow Lite'],
    ['an ORT file', latin('\x1c\0\0\0ORTM'), '.onnx file it was made from'],
    ['a Git LFS pointer', latin('version https://git-lfs.github.com/spec/v1\noid'), 'git lfs pull'],
    ['JSON', latin('{"inputs": []}'), 'is JSON'],
    ['text', Buffer.from('import törch\nx'), 'is text (it begins "import törch")'],
    ['text cut within a character', Buffer.from('abc é').subarray(0, 5), 'is text'],
    ['an unknown field after the IR version', latin('\x08\x07\x4a\x01x'), 'unknown bytes (08 07 4a 01 78)'],
    ['a field of the wrong type', latin('\x08\x07\x10\x01'), 'unknown bytes'],
    ['one byte', latin('\xff'), 'unknown bytes (ff)'],
  ])('says so of %s', (_, head, part) => {
    expect(() => sniffFormat(head)).toThrow(expect.objectContaining({ code: 'model_invalid' }));
    expect(() => sniffFormat(head)).toThrow(part);
    expect(() => sniffFormat(head)).toThrow(/upload|download/);
  });

  it('returns a format or refuses, for any bytes', () => {
    const heads = fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc.uint8Array({ maxLength: 64 }).map((tail) => Buffer.concat([latin('\x08\x07'), tail])),
    );
    fc.assert(
      fc.property(heads, (head) => {
        try {
          expect(['onnx', 'torchscript']).toContain(sniffFormat(head));
        } catch (error) {
          expect(error).toBeInstanceOf(SconceError);
        }
      }),
    );
  });
});
