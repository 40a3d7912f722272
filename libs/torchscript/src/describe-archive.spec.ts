import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

import { MemoryByteSource } from '@sconce/storage';
import { compile, describeArchive, openArchive, type TorchScriptArchive } from './index.ts';

const ROOT = new URL('../../../', import.meta.url);

function open(path: string): Promise<TorchScriptArchive> {
  return openArchive(new MemoryByteSource(new Uint8Array(readFileSync(new URL(path, ROOT)))));
}

it('describes modules, parameters and weights by type of a trace', async () => {
  expect(describeArchive(await open('examples/digits/digits.pt'))).toEqual({
    version: 4,
    origin: 'traced',
    pytorch2: true,
    className: '__torch__.DigitsCNN',
    methods: [{ name: 'forward', params: ['pixels: Tensor'], returns: 'Tensor' }],
    modules: 6,
    parameters: 8,
    buffers: 0,
    weights: {
      bytes: 4 * 13_706 + 8,
      byDtype: [
        { dtype: 'float32', tensors: 8, bytes: 4 * 13_706 },
        { dtype: 'float64', tensors: 1, bytes: 8 },
      ],
      shared: 0,
      strided: 0,
    },
  });
});

it('counts the bytes of tied weights once, and views as shared', async () => {
  const { parameters, buffers, weights } = describeArchive(await open('test/e2e/fixtures/tied.pt'));
  const float32 = 4 * (40 * 16 + 24 * 16);
  expect({ parameters, buffers, weights }).toEqual({
    parameters: 2,
    buffers: 3,
    weights: {
      bytes: float32 + 2 * 24 * 16,
      byDtype: [
        { dtype: 'float32', tensors: 3, bytes: float32 },
        { dtype: 'bfloat16', tensors: 1, bytes: 2 * 24 * 16 },
      ],
      shared: 1,
      strided: 1,
    },
  });
});

it('describes the methods of a script in Python’s notation', async () => {
  expect(describeArchive(await open('test/e2e/fixtures/scaled.pt'))).toMatchObject({
    origin: 'scripted',
    methods: [
      {
        name: 'forward',
        params: ['x: Tensor', 'scale: Optional[Tensor] = None', 'times: int = 1'],
        returns: 'Dict[str, Tensor]',
      },
      { name: 'encode', params: ['x: Tensor'], returns: 'Tensor' },
    ],
  });
});

it('counts the calls of operators when it compiles', async () => {
  const { operators } = await compile(await open('examples/digits/digits.pt'));
  expect(Object.fromEntries(operators)).toMatchObject({ 'aten::relu': 3, 'aten::linear': 2, 'aten::view': 1 });
});
