import { MemoryByteSource } from '@sconce/storage';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';

import { buildZip } from '../../fixtures/archive/build-zip.ts';
import { openArchive } from './open-archive.ts';

const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));
const zipOf = (...names: string[]): Uint8Array => buildZip(names.map((name) => ({ name, data: bytesOf('x') })));
const tar = new Uint8Array(512);
tar.set(bytesOf('ustar'), 257);

const open = (bytes: Uint8Array): Promise<unknown> => openArchive(new MemoryByteSource(bytes));

describe('files of other kinds', () => {
  it.each<[string, Uint8Array, RegExp]>([
    ['an empty file', new Uint8Array(0), /empty.*send it again/],
    [
      'a Git LFS pointer',
      bytesOf('version https://git-lfs.github.com/spec/v1\noid sha256:0\n'),
      /Git LFS.*git lfs pull/,
    ],
    ['a web page', bytesOf('\n<!DOCTYPE html><html>'), /web page/],
    ['a bare web page', bytesOf('<html lang="en">'), /web page/],
    ['an XML error', bytesOf('<?xml version="1.0"?><Error>AccessDenied'), /web page \(HTML or XML\)/],
    ['a preview of TorchScript', bytesOf('PYTORCH1\0\0\0'), /PyTorch 1\.0 preview/],
    ['a pickle', bytesOf('\x80\x04\x95'), /Python pickle/],
    ['a flatbuffer', bytesOf('\x30\0\0\0PTMF'), /flatbuffer.*torch\.jit\.save/],
    ['an ExecuTorch program', bytesOf('\x30\0\0\0ET12'), /ExecuTorch/],
    ['a TFLite model', bytesOf('\x1c\0\0\0TFL3'), /TensorFlow Lite/],
    ['an HDF5 file', bytesOf('\x89HDF\r\n\x1a\n'), /HDF5/],
    ['a GGUF model', bytesOf('GGUF\x03\0\0\0'), /GGUF/],
    ['a NumPy array', bytesOf('\x93NUMPY\x01\0'), /NumPy/],
    ['safetensors', bytesOf('\x10\0\0\0\0\0\0\0{"a":{}}'), /safetensors.*weights without code/],
    ['an ONNX model', bytesOf('\x08\x0a\x12\x07pytorch'), /ONNX/],
    ['an ONNX model without producer', bytesOf('\x08\x0a\x3a\x80\x01'), /ONNX/],
    ['gzip', bytesOf('\x1f\x8b\x08'), /gzip.*Unpack/],
    ['tar', tar, /tar archive/],
    ['anything else', bytesOf('hello'), /begins with the bytes 68 65 6c 6c 6f\..*torch\.jit\.trace/],
    ['an empty zip archive', zipOf(), /empty zip/],
    ['a Keras model', zipOf('config.json', 'metadata.json', 'model.weights.h5'), /Keras/],
    ['a TorchServe archive', zipOf('MAR-INF/MANIFEST.json', 'model.pt'), /TorchServe.*Unpack/],
    ['TorchScript of 1.3', zipOf('m/version', 'm/model.json', 'm/code/m.py', 'm/tensors/0'), /PyTorch 1\.3 or earlier/],
    ['TorchScript without data', zipOf('m/code/__torch__.py', 'm/constants.pkl'), /parts missing/],
    ['mobile without code', zipOf('m/bytecode.pkl', 'm/data.pkl'), /parts missing/],
    ['a NumPy archive', zipOf('a.npy', 'b.npy'), /npz/],
    ['a zip archive with a model in it', zipOf('readme.txt', 'x/model.pt'), /Unpack it and use "x\/model\.pt"/],
    ['a zip archive', zipOf('a.txt'), /zip archive \("a\.txt", …\) but not a TorchScript model/],
  ])('names %s, and says what to do', async (_, bytes, message) => {
    await expect(open(bytes)).rejects.toMatchObject({ code: 'model_invalid', details: { stage: 'format' } });
    await expect(open(bytes)).rejects.toThrow(message);
  });

  it.each([
    ['state-dict.pth', /checkpoint of torch\.save.*load the checkpoint into it/],
    ['half-written.pt', /parts missing.*torch\.jit\.save failed.*@torch\.jit\.ignore/],
    ['legacy.pth', /format before PyTorch 1\.6/],
    ['export.pt2', /\.pt2 archive of torch\.export/],
    ['package.pt', /torch\.package/],
  ])('names %s that PyTorch wrote', async (name, message) => {
    const bytes = await readFile(new URL(`../../fixtures/archive/${name}`, import.meta.url));
    await expect(open(bytes)).rejects.toMatchObject({ code: 'model_invalid', details: { stage: 'format' } });
    await expect(open(bytes)).rejects.toThrow(message);
  });
});
