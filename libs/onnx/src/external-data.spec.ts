import { describe, expect, it } from 'vitest';

import {
  MAX_MODEL_BYTES,
  embedExternalData,
  externalLocations,
  isExternal,
  withExternalLocation,
  type ExternalData,
  type OnnxGraph,
  type OnnxModel,
  type OnnxTensor,
} from './index.ts';

const tensor = (name: string, data: OnnxTensor['data'], length = 4): OnnxTensor => ({
  name,
  datatype: 'UINT8',
  dims: [length],
  data,
});
const at = (location: string, offset: number, length = 4): ExternalData => ({ location, offset, length });

const graph = (initializers: OnnxTensor[], nodes: OnnxGraph['nodes'] = []): OnnxGraph => ({
  name: 'g',
  inputs: [],
  outputs: [],
  initializers,
  nodes,
});

const model = (graph: OnnxGraph): OnnxModel => ({
  irVersion: 10,
  opsets: { '': 21 },
  producer: '',
  metadata: {},
  graph,
});

/** A model with external data in initializers, in an attribute and in a body. `tied` shares the range of `first`. */
const sample = model(
  graph(
    [tensor('first', at('m.pt', 64)), tensor('tied', at('m.pt', 64)), tensor('own', Uint8Array.of(1, 2, 3, 4))],
    [
      {
        opType: 'If',
        domain: '',
        name: 'if',
        inputs: [],
        outputs: [],
        attributes: {
          value: { tensor: tensor('value', at('other.bin', 0)) },
          then_branch: { graph: graph([tensor('inner', at('m.pt', 128))]) },
          axis: { int: 1 },
        },
      },
    ],
  ),
);

/** Every tensor of the sample by name. */
function dataOf({ graph }: OnnxModel): Record<string, OnnxTensor['data']> {
  const attributes = graph.nodes[0]?.attributes as { value: { tensor: OnnxTensor }; then_branch: { graph: OnnxGraph } };
  const all = [...graph.initializers, attributes.value.tensor, ...attributes.then_branch.graph.initializers];
  return Object.fromEntries(all.map(({ name, data }) => [name, data]));
}

describe('external data', () => {
  it('lists the files that a model refers to', () => {
    expect(externalLocations(sample)).toEqual(['m.pt', 'other.bin']);
    expect(externalLocations(model(graph([tensor('a', new Uint8Array(4))])))).toEqual([]);
  });

  it('renames one file everywhere and nothing else', () => {
    const renamed = withExternalLocation(sample, 'm.pt', 'data/w.bin');
    expect(dataOf(renamed)).toEqual({
      first: at('data/w.bin', 64),
      tied: at('data/w.bin', 64),
      own: Uint8Array.of(1, 2, 3, 4),
      value: at('other.bin', 0),
      inner: at('data/w.bin', 128),
    });
    expect(renamed.graph.nodes[0]?.attributes['axis']).toEqual({ int: 1 });
    expect(externalLocations(sample)).toContain('m.pt');
  });
});

describe('embedExternalData', () => {
  const content = ({ location, offset, length }: ExternalData) => new Uint8Array(length).fill(offset + location.length);

  it('embeds every range and reads a shared range once', async () => {
    const reads: ExternalData[] = [];
    const embedded = await embedExternalData(
      sample,
      async (external) => {
        reads.push(external);
        return content(external);
      },
      20,
    );
    expect(reads).toEqual([at('m.pt', 64), at('other.bin', 0), at('m.pt', 128)]);
    const data = dataOf(embedded);
    expect(data).toEqual({
      first: content(at('m.pt', 64)),
      tied: content(at('m.pt', 64)),
      own: Uint8Array.of(1, 2, 3, 4),
      value: content(at('other.bin', 0)),
      inner: content(at('m.pt', 128)),
    });
    expect(Object.values(data).some(isExternal)).toBe(false);
    expect(externalLocations(embedded)).toEqual([]);
  });

  const mustNotRead = (): Promise<Uint8Array> => {
    throw new Error('read');
  };

  it('refuses tensors that together take too much before it reads anything', async () => {
    await expect(embedExternalData(sample, mustNotRead, 19)).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('take 20 bytes, and the limit is 19'),
      details: { bytes: 20, maxBytes: 19 },
    });
  });

  it('refuses 2 GiB whatever the limit is', async () => {
    const half = 2 ** 30;
    const large = model(graph([tensor('a', at('f', 0, half), half), tensor('b', at('f', half, half), half)]));
    await expect(embedExternalData(large, mustNotRead, Infinity)).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('one ONNX file has less than 2 GiB'),
      details: { bytes: 2 ** 31, maxBytes: MAX_MODEL_BYTES },
    });
  });

  it('refuses a file that is shorter than the model says', async () => {
    await expect(embedExternalData(sample, async () => new Uint8Array(3), 1000)).rejects.toMatchObject({
      code: 'model_invalid',
      message: expect.stringContaining('m.pt has 3 of the 4 bytes expected at offset 64'),
    });
  });
});
