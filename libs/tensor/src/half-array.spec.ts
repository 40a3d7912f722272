import { afterEach, expect, it, vi } from 'vitest';

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

it.each([true, false])('reads and writes float16 the same, with Float16Array of the platform: %s', async (isThere) => {
  if (!isThere) vi.stubGlobal('Float16Array', undefined);
  vi.resetModules();
  const { decodeJsonData, encodeJsonData, viewOf } = await import('./index.ts');
  const values = [0.5, -65_504, 1.0009765625, 0.1, 6e-8];
  const tensor = decodeJsonData({ name: 'x', datatype: 'FP16', shape: [5] }, values);
  // The bits of the nearest float16 values, from IEEE 754.
  expect([...new Uint16Array(tensor.data.slice().buffer)]).toEqual([0x3800, 0xfbff, 0x3c01, 0x2e66, 0x0001]);
  expect(JSON.parse(encodeJsonData(tensor))).toEqual([0.5, -65_504, 1.0009765625, 0.0999755859375, 2 ** -24]);
  const shared = new Uint8Array(new SharedArrayBuffer(tensor.data.length));
  shared.set(tensor.data);
  expect([...viewOf({ ...tensor, datatype: 'FP16', data: shared })]).toEqual([
    ...viewOf({ ...tensor, datatype: 'FP16' }),
  ]);
});
