import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeModel, type OnnxModel, type OnnxTensor } from '@sconce/onnx';
import { MemoryByteSource, type ByteSource } from '@sconce/storage';
import { temporaryFolder } from '@sconce/testing';
import { writeOnnx } from './onnx-output.ts';

const bytes = Uint8Array.from({ length: 20_000_000 }, (_, i) => i % 251);
const source = new MemoryByteSource(bytes);

const range = (name: string, offset: number, length: number): OnnxTensor => ({
  name,
  datatype: 'UINT8',
  dims: [length],
  data: { location: 'model.pt', offset, length },
});
const inline = (name: string, length: number): OnnxTensor => ({
  name,
  datatype: 'UINT8',
  dims: [length],
  data: new Uint8Array(length).fill(7),
});
/** `again` is the same range as `first`. `large` is larger than one chunk. */
const model: OnnxModel = {
  irVersion: 10,
  opsets: { '': 21 },
  producer: 'test',
  metadata: {},
  graph: {
    name: 'g',
    inputs: [],
    outputs: [],
    nodes: [],
    initializers: [
      range('first', 3, 5000),
      inline('small', 8),
      range('again', 3, 5000),
      inline('medium', 3000),
      range('large', 11, 17_000_000),
    ],
  },
};
const contents = model.graph.initializers.map(({ data }) =>
  data instanceof Uint8Array
    ? data
    : 'offset' in data
      ? bytes.slice(data.offset, data.offset + data.length)
      : undefined,
);

describe('writeOnnx', () => {
  it('writes the weights into the model file', async () => {
    const folder = temporaryFolder('onnx');
    const path = join(folder, 'm.onnx');
    const seen: [number, number][] = [];
    const onProgress = (done: number, total: number): void => void seen.push([done, total]);
    const written = await writeOnnx(model, { source, path, externalData: false, onProgress });
    const file = readFileSync(path);
    expect(written).toEqual({ file: path, bytes: file.byteLength });
    expect(seen.at(-1)).toEqual([file.byteLength, file.byteLength]);
    const { initializers } = decodeModel(file).graph;
    // The order of initializers may change, so they are found by name.
    for (const [i, { name }] of model.graph.initializers.entries()) {
      const read = initializers.find((tensor) => tensor.name === name)?.data;
      expect(Buffer.compare(read as Uint8Array, contents[i] as Uint8Array)).toBe(0);
    }
    expect(readdirSync(folder)).toEqual(['m.onnx']);
  });

  it.each([
    ['when asked', { externalData: true }],
    ['when they are too large', { externalData: false, maxFileBytes: 1_000_000 }],
  ])('writes them to a second file %s: shared ranges once, aligned to pages', async (_, options) => {
    const path = join(temporaryFolder('onnx'), 'm.onnx');
    const written = await writeOnnx(model, { source, path, ...options });
    const data = readFileSync(`${path}.data`);
    expect(written.data).toEqual({ file: `${path}.data`, bytes: data.byteLength });
    expect(data.byteLength).toBeLessThan(17_000_000 + 3 * 8192);
    const { initializers } = decodeModel(readFileSync(path)).graph;
    const read = initializers.map(({ data: at }) => {
      if (at instanceof Uint8Array || !('offset' in at)) return at as Uint8Array;
      expect([at.location, at.offset % 4096]).toEqual(['m.onnx.data', 0]);
      return data.subarray(at.offset, at.offset + at.length);
    });
    expect(read.map((one, i) => Buffer.compare(one, contents[i] as Uint8Array))).toEqual([0, 0, 0, 0, 0]);
  });

  it('reads the weights in chunks', async () => {
    const lengths: number[] = [];
    const counted: ByteSource = {
      size: source.size,
      read: (offset, length) => (lengths.push(length), source.read(offset, length)),
    };
    await writeOnnx(model, { source: counted, path: join(temporaryFolder('onnx'), 'm.onnx'), externalData: false });
    expect(Math.max(...lengths)).toBe(8 * 2 ** 20);
  });

  it.each([false, true])('leaves the old file, and no other, when it fails (external: %s)', async (externalData) => {
    const folder = temporaryFolder('onnx');
    const path = join(folder, 'm.onnx');
    writeFileSync(path, 'before');
    const failing: ByteSource = {
      size: source.size,
      read: (offset, length) => (offset > 1000 ? Promise.reject(new Error('gone')) : source.read(offset, length)),
    };
    await expect(writeOnnx(model, { source: failing, path, externalData })).rejects.toThrow('gone');
    const controller = new AbortController();
    const onProgress = (): void => {
      controller.abort(new Error('stopped'));
    };
    await expect(
      writeOnnx(model, { source, path, externalData, onProgress, signal: controller.signal }),
    ).rejects.toThrow('stopped');
    expect(readdirSync(folder)).toEqual(['m.onnx']);
    expect(readFileSync(path, 'utf8')).toBe('before');
  });

  it('says why it cannot write the file', async () => {
    const path = join(temporaryFolder('onnx'), 'missing/m.onnx');
    await expect(writeOnnx(model, { source, path, externalData: false })).rejects.toMatchObject({
      code: 'storage_unavailable',
      message: `${path} cannot be written: the folder does not exist.`,
    });
  });
});
