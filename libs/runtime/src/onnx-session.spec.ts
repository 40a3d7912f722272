import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeBytes, type Datatype, type Tensor } from '@sconce/tensor';
import { fixturePath, temporaryFolder } from '@sconce/testing';
import { OnnxSession } from './onnx-session.ts';

const open = (path: string): Promise<OnnxSession> => OnnxSession.open(path, { intraOpThreads: 1 });
const bytesOf = (view: ArrayBufferView): Uint8Array => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

const VALUES: [Datatype, Uint8Array][] = [
  ['BOOL', new Uint8Array([1, 0, 0, 1])],
  ['UINT8', new Uint8Array([0, 1, 254, 255])],
  ['UINT16', bytesOf(new Uint16Array([0, 1, 2, 65_535]))],
  ['UINT32', bytesOf(new Uint32Array([0, 1, 2, 4_294_967_295]))],
  ['UINT64', bytesOf(new BigUint64Array([0n, 1n, 2n, 2n ** 64n - 1n]))],
  ['INT8', bytesOf(new Int8Array([-128, -1, 0, 127]))],
  ['INT16', bytesOf(new Int16Array([-32_768, -1, 0, 32_767]))],
  ['INT32', bytesOf(new Int32Array([-(2 ** 31), -1, 0, 2 ** 31 - 1]))],
  ['INT64', bytesOf(new BigInt64Array([-(2n ** 63n), -1n, 0n, 2n ** 63n - 1n]))],
  ['FP16', bytesOf(new Float16Array([-65_504, 0.000_061, 1.5, Infinity]))],
  ['FP32', bytesOf(new Float32Array([-1.5, 0.1, NaN, -Infinity]))],
  ['FP64', bytesOf(new Float64Array([-1.5, 0.1, 1e300, -0]))],
  ['BYTES', encodeBytes(['', 'plain', 'naïve ☃', ' spaces '])],
];

describe('OnnxSession', () => {
  it('passes every element type in and out unchanged, also from shared memory', async () => {
    const session = await open(fixturePath('every-type'));
    const inputs = VALUES.map(([datatype, data]): Tensor => {
      const shared = new Uint8Array(new SharedArrayBuffer(data.byteLength));
      shared.set(data);
      return { name: `in_${datatype}`, datatype, shape: [2, 2], data: shared };
    });
    const names = VALUES.map(([datatype]) => `out_${datatype}`);
    const outputs = await session.run(inputs, names, new Map());
    expect(outputs.map(({ name, datatype, shape, data }) => [name, datatype, shape, Buffer.from(data)])).toEqual(
      VALUES.map(([datatype, data]) => [`out_${datatype}`, datatype, [2, 2], Buffer.from(data)]),
    );
    await session.release();
  });

  it('writes an output to the given memory', async () => {
    const session = await open(fixturePath('affine'));
    const data = new Uint8Array(new SharedArrayBuffer(16));
    const input: Tensor = { name: 'x', datatype: 'FP32', shape: [1, 4], data: bytesOf(new Float32Array([0, 1, 2, 3])) };
    await session.run([input], ['y'], new Map([['y', { name: 'y', datatype: 'FP32', shape: [1, 4], data }]]));
    expect([...new Float32Array(data.buffer)]).toEqual([1, 3, 5, 7]);
    await session.release();
  });

  it('reports the signature with free axes as -1', async () => {
    const session = await open(fixturePath('nonzero'));
    expect(session.signature).toEqual({
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1] }],
      outputs: [{ name: 'y', datatype: 'INT64', shape: [1, -1] }],
    });
    await session.release();
  });

  it('reports why a run failed, and runs the next call', async () => {
    const session = await open(fixturePath('lookup'));
    const at = (index: bigint): Tensor => ({
      name: 'index',
      datatype: 'INT64',
      shape: [1, 1],
      data: bytesOf(new BigInt64Array([index])),
    });
    await expect(session.run([at(99n)], ['y'], new Map())).rejects.toMatchObject({
      code: 'invalid_input',
      message: expect.stringContaining('99'),
    });
    const [y] = await session.run([at(3n)], ['y'], new Map());
    expect([...new Float32Array(y!.data.slice().buffer)]).toEqual([6, 7]);
    await session.release();
  });

  it.each([
    ['not UTF-8', new Uint8Array([0xff, 0xfe]), /"in_BYTES": element 1 .*UTF-8/],
    ['cut at a NUL', 'nul \0 inside', /"in_BYTES": element 1 .*NUL/],
  ])('refuses BYTES that are %s, naming input and element', async (_, element, message) => {
    const session = await open(fixturePath('every-type'));
    const data = encodeBytes(['ok', element]);
    const input: Tensor = { name: 'in_BYTES', datatype: 'BYTES', shape: [1, 2], data };
    await expect(session.run([input], ['out_BYTES'], new Map())).rejects.toMatchObject({
      code: 'invalid_tensor',
      message: expect.stringMatching(message),
    });
    await session.release();
  });

  const whole = readFileSync(fixturePath('every-type'));
  it.each([
    ['empty', Buffer.alloc(0)],
    ['garbage', Buffer.from('this is no model at all')],
    ['truncated', whole.subarray(0, whole.length / 2)],
    ['zeros', Buffer.alloc(4096)],
  ])('refuses a file that is %s, with the runtime’s reason', async (name, bytes) => {
    const path = join(temporaryFolder(), `${name}.onnx`);
    writeFileSync(path, bytes);
    await expect(open(path)).rejects.toMatchObject({ code: 'model_invalid', message: expect.stringMatching(/\S{3}/) });
    await expect(open(path)).rejects.not.toMatchObject({ message: expect.stringContaining(path) });
  });
});
