import { describe, expect, it } from 'vitest';
import {
  GraphBuilder,
  IR_VERSION,
  OPSET,
  rowHints,
  type OnnxAttribute,
  type OnnxDim,
  type OnnxModel,
  type OnnxTensor,
  type RowHints,
} from './index.ts';

const modelOf = (builder: GraphBuilder): OnnxModel => ({
  irVersion: IR_VERSION,
  opsets: { '': OPSET },
  producer: 'spec',
  graph: builder.build('g'),
  metadata: {},
});

const int64 = (...values: number[]): OnnxTensor => ({
  name: 'shape',
  datatype: 'INT64',
  dims: [values.length],
  data: new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
});

type Shapes = Readonly<Record<string, readonly OnnxDim[] | undefined>>;

describe('inputs of rowHints', () => {
  const inputsOf = (inputs: Shapes, outputs: Shapes, weights: readonly string[] = []): RowHints['inputs'] => {
    const builder = new GraphBuilder();
    for (const [name, shape] of Object.entries(inputs)) builder.input({ name, datatype: 'FLOAT', shape });
    for (const [name, shape] of Object.entries(outputs)) builder.output({ name, datatype: 'FLOAT', shape });
    const model = modelOf(builder);
    const initializers = weights.map((name) => ({ ...int64(1), name }));
    return rowHints({ ...model, graph: { ...model.graph, initializers } }).inputs;
  };

  it.each<[what: string, inputs: Shapes, outputs: Shapes, expected: RowHints['inputs']]>([
    ['one free axis', { x: ['n', 4] }, { y: ['n'] }, [['x'], ['x']]],
    ['no free axis', { x: [2, 4] }, { y: [2] }, []],
    ['an axis 0 that is fixed and an axis 1 that is free', { x: [1, 'time'] }, { y: [1] }, []],
    ['a scalar', { x: ['n', 4], s: [] }, { y: ['n'] }, [['x'], ['x']]],
    ['no known rank', { x: undefined }, { y: ['n'] }, []],
    ['an axis without a name', { x: [null, 4] }, { y: ['n'] }, [['x']]],
    ['axes without names, which are not taken for the same axis', { x: [null], z: ['n'] }, { y: [null] }, [['x', 'z']]],
    ['an axis with another name', { x: ['n', 4], edges: ['e', 2] }, { y: ['n', 3] }, [['x', 'edges'], ['x']]],
    [
      'two axes with one name',
      { a: ['n'], b: ['n'] },
      { y: ['n'] },
      [
        ['a', 'b'],
        ['a', 'b'],
      ],
    ],
    ['outputs with other axes', { x: ['n'] }, { y: ['found'] }, [['x']]],
    ['outputs of unknown rank', { x: ['n'] }, { y: undefined }, [['x']]],
    [
      'several outputs',
      { a: ['n'], b: ['m'] },
      { y: ['m'], z: ['n'] },
      [
        ['a', 'b'],
        ['a', 'b'],
      ],
    ],
    ['nothing', {}, { y: [1] }, []],
  ])('%s', (_, inputs, outputs, expected) => {
    expect(inputsOf(inputs, outputs)).toEqual(expected);
  });

  it('leave out weights, which old files list among the inputs', () => {
    expect(inputsOf({ x: ['n'], w: ['m'] }, { y: ['n'] }, ['w'])).toEqual([['x'], ['x']]);
  });
});

describe('sizes of rowHints', () => {
  const sizesOf = (build: (g: GraphBuilder) => void): readonly number[] => {
    const builder = new GraphBuilder();
    build(builder);
    return rowHints(modelOf(builder)).sizes;
  };
  const reshape = (g: GraphBuilder, ...shape: number[]): void =>
    void g.node('Reshape', ['x', g.initializer(int64(...shape))]);
  const constant = (g: GraphBuilder, attributes: Readonly<Record<string, OnnxAttribute>>): void =>
    void g.node('Reshape', ['x', g.node('Constant', [], { attributes })]);

  it.each<[what: string, build: (g: GraphBuilder) => void, expected: readonly number[]]>([
    ['none', (g) => void g.node('Relu', ['x']), []],
    ['an initializer', (g) => reshape(g, 2, 32), [2]],
    ['a Constant', (g) => constant(g, { value: { tensor: int64(3, 4) } }), [3]],
    ['a Constant of numbers', (g) => constant(g, { value_ints: { ints: [5, -1] } }), [5]],
    ['a Constant of big numbers', (g) => constant(g, { value_ints: { ints: [6n, -1n] } }), [6]],
    ['a Constant of no numbers', (g) => constant(g, { value_ints: { ints: [] } }), []],
    ['a Constant of something else', (g) => constant(g, { value_string: { string: 'x' } }), []],
    ['free sizes', (g) => [reshape(g, -1, 4), reshape(g, 0, 4)], []],
    ['sizes larger than any batch', (g) => [reshape(g, 1024), reshape(g, 1025)], [1024]],
    ['an empty shape', (g) => reshape(g), []],
    ['the most frequent first', (g) => [2, 8, 8, 3, 8, 3].forEach((size) => reshape(g, size, 1)), [8, 3, 2]],
    [
      'each operator',
      (g) => {
        g.node('Expand', ['x', g.initializer(int64(2, 1))]);
        g.node('Tile', ['x', g.initializer(int64(3, 1))]);
        g.node('ConstantOfShape', [g.initializer(int64(4, 1))]);
      },
      [2, 3, 4],
    ],
    ['shapes that the graph computes', (g) => void g.node('Reshape', ['x', g.node('Shape', ['z'])]), []],
    [
      'numbers in other positions',
      (g) => {
        const k = g.initializer(int64(2));
        g.node('Reshape', [k, 'shape_of_x']);
        g.node('Gather', ['x', k]);
        g.node('Slice', ['x', k, k]);
      },
      [],
    ],
    [
      'shapes that are not INT64',
      (g) => {
        const shape = { ...int64(2), datatype: 'INT32' } as const;
        g.node('Reshape', ['x', g.initializer(shape)]);
      },
      [],
    ],
    [
      'weights in another file',
      (g) => {
        const data = { location: 'weights.bin', offset: 0, length: 8 };
        g.node('Reshape', ['x', g.initializer({ ...int64(2), data })]);
      },
      [],
    ],
  ])('%s', (_, build, expected) => {
    expect(sizesOf(build)).toEqual(expected);
  });

  it('are read in bodies too, also if the constant is in an outer graph', () => {
    const sizes = sizesOf((g) => {
      const around = g.initializer(int64(7, 1));
      const body = g.subgraph();
      body.node('Reshape', ['x', around]);
      const inner = body.subgraph();
      reshape(inner, 9, 1);
      inner.node('Expand', ['x', around]);
      body.node('If', ['go'], { attributes: { then_branch: { graph: inner.build('inner') } } });
      g.node('If', ['go'], { attributes: { then_branch: { graph: body.build('body') } } });
    });
    expect(sizes).toEqual([7, 9]);
  });

  it('are read from bytes at any alignment', () => {
    const { data } = int64(5, 1);
    const moved = new Uint8Array(data.length + 3);
    moved.set(data as Uint8Array, 3);
    expect(
      sizesOf((g) => g.node('Reshape', ['x', g.initializer({ ...int64(5, 1), data: moved.subarray(3) })])),
    ).toEqual([5]);
  });

  it('are at most sixteen', () => {
    const sizes = sizesOf((g) => Array.from({ length: 40 }, (_, i) => reshape(g, i + 1, 1)));
    expect(sizes).toEqual(Array.from({ length: 16 }, (_, i) => i + 1));
  });
});
