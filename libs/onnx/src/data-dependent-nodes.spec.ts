import { describe, expect, it } from 'vitest';
import {
  GraphBuilder,
  IR_VERSION,
  OPSET,
  checkGraph,
  findDataDependentNodes,
  type OnnxModel,
  type OnnxTensor,
} from './index.ts';

const ROWS = { datatype: 'FLOAT', shape: ['batch', 4] } as const;
const SCALAR = { datatype: 'FLOAT', shape: [] } as const;
const FLAG = { datatype: 'BOOL', shape: [] } as const;
const COUNT = { datatype: 'INT64', shape: [] } as const;

const int64 = (name: string, ...values: number[]): OnnxTensor => ({
  name,
  datatype: 'INT64',
  dims: [values.length],
  data: new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
});
const yes: OnnxTensor = { name: 'yes', datatype: 'BOOL', dims: [], data: Uint8Array.of(1) };

/** A graph with two inputs: `x` carries the rows of the requests, and `k` is the same for all rows. */
function graph(build: (graph: GraphBuilder) => string): OnnxModel {
  const builder = new GraphBuilder();
  builder.input({ name: 'x', ...ROWS });
  builder.input({ name: 'k', ...COUNT });
  builder.output({ name: build(builder), datatype: 'FLOAT', shape: undefined });
  const built = builder.build('g');
  checkGraph(built);
  return { irVersion: IR_VERSION, opsets: { '': OPSET }, producer: 'spec', graph: built, metadata: {} };
}

const found = (build: (graph: GraphBuilder) => string, inputs: readonly string[] = ['x']): string[] =>
  findDataDependentNodes(graph(build), new Set(inputs)).map(({ opType, does }) => `${opType} ${does}`);

/** Adds an If whose branches `build` makes. */
function branch(g: GraphBuilder, condition: string, build: (body: GraphBuilder) => string = identityOf('x')): string {
  const body = (): { graph: ReturnType<GraphBuilder['build']> } => {
    const inner = g.subgraph();
    inner.output({ name: build(inner), ...ROWS });
    return { graph: inner.build('branch') };
  };
  return g.node('If', [condition], { attributes: { then_branch: body(), else_branch: body() } });
}

const identityOf =
  (name: string) =>
  (body: GraphBuilder): string =>
    body.node('Identity', [name]);

interface LoopParts {
  readonly count?: string;
  readonly first?: string;
  readonly carried: readonly string[];
  /** From the number of the round and the carried values: the condition to go on, then the next carried values. */
  readonly body: (body: GraphBuilder, round: string, carried: readonly string[]) => readonly string[];
}

/** Adds a Loop and returns its first result. */
function loop(g: GraphBuilder, { count = '', first = '', carried, body }: LoopParts): string {
  const inner = g.subgraph();
  const round = inner.bodyInput('round', COUNT);
  inner.bodyInput('go_on', FLAG);
  const names = carried.map((name) => inner.bodyInput(`${name}_in`, ROWS));
  for (const [i, name] of body(inner, round, names).entries()) inner.output({ name, ...(i === 0 ? FLAG : ROWS) });
  const attributes = { body: { graph: inner.build('body') } };
  const [result = ''] = g.nodes('Loop', [count, first, ...carried], { attributes, outputs: carried.length });
  return result;
}

const isLarge = (g: GraphBuilder, name: string): string =>
  g.node('Greater', [g.node('ReduceMax', [name], { attributes: { keepdims: { int: 0 } } }), g.node('Cast', ['k'])]);
const always = (body: GraphBuilder): string => body.node('Identity', [body.initializer(yes)]);

const most = int64('most', Number(2n ** 53n));
const constant = (g: GraphBuilder): string => g.node('Constant', [], { attributes: { value: { tensor: most } } });
const ENDS_ON_DATA: LoopParts = {
  carried: ['x'],
  body: (b, _, [v]) => [isLarge(b, v ?? ''), b.node('Exp', [v ?? ''])],
};

describe('findDataDependentNodes', () => {
  it.each<[what: string, build: (g: GraphBuilder) => string, expected: string[]]>([
    ['only arithmetic', (g) => g.node('Relu', ['x']), []],
    ['a shape made of constants', (g) => g.node('Reshape', ['x', g.initializer(int64('shape', -1, 2))]), []],
    ['a shape made of shapes', (g) => g.node('Reshape', ['x', g.node('Shape', [g.node('Exp', ['x'])])]), []],
    ['a size, which depends on the shape only', (g) => g.node('Range', ['k', g.node('Size', ['x']), 'k']), []],
    ['a shape from an input without rows', (g) => g.node('Expand', ['x', 'k']), []],
    ['data that get a shape', (g) => g.node('Reshape', [g.node('Exp', ['x']), 'k']), []],
    ['a branch on an input without rows', (g) => branch(g, g.node('Equal', ['k', 'k'])), []],
    ['a branch on a shape', (g) => branch(g, g.node('Greater', [g.node('Size', ['x']), 'k'])), []],
    ['a branch on data', (g) => branch(g, isLarge(g, 'x')), ['If branches on']],
    [
      'a branch on data through several nodes',
      (g) => branch(g, isLarge(g, g.node('Abs', [g.node('Add', ['x', 'k'])]))),
      ['If branches on'],
    ],
    [
      'a branch on data inside a branch on no rows',
      (g) => branch(g, g.node('Equal', ['k', 'k']), (body) => branch(body, isLarge(body, 'x'))),
      ['If branches on', 'If branches on'],
    ],
    [
      'a branch on a result that one branch made from data',
      (g) => branch(g, isLarge(g, branch(g, g.node('Equal', ['k', 'k'])))),
      ['If branches on'],
    ],
    [
      'a branch on a result that no branch made from data',
      (g) => branch(g, g.node('Equal', [branch(g, g.node('Equal', ['k', 'k']), identityOf('k')), 'k'])),
      [],
    ],
    [
      'a branch on a result that a branch on data selected',
      (g) => branch(g, g.node('Equal', [branch(g, isLarge(g, 'x'), identityOf('k')), 'k'])),
      ['If branches on', 'If branches on'],
    ],
  ])('%s', (_, build, expected) => {
    expect(found(build)).toEqual(expected);
  });

  it.each<[opType: string, position: number]>([
    ['Reshape', 1],
    ['Expand', 1],
    ['Tile', 1],
    ['ConstantOfShape', 0],
    ['Range', 0],
    ['Range', 1],
    ['Range', 2],
    ['Slice', 1],
    ['Slice', 2],
    ['Slice', 4],
    ['Resize', 2],
    ['Resize', 3],
    ['Pad', 1],
    ['TopK', 1],
    ['Split', 1],
    ['OneHot', 1],
  ])('%s makes a shape from its input %i and from no other input', (opType, position) => {
    const inputs = (data: number): string[] => Array.from({ length: 5 }, (_, i) => (i === data ? 'n' : 'k'));
    const withData = (data: number): string[] =>
      found((g) => {
        const n = g.node('ReduceMax', ['x'], { hint: 'n' });
        return g.node(
          opType,
          inputs(data).map((name) => (name === 'n' ? n : name)),
        );
      });
    expect(withData(position)).toEqual([`${opType} makes a shape from`]);
    // The data that are resized, sliced or padded do not count, only the inputs that determine the size.
    if (position !== 0) expect(opType === 'Range' ? [] : withData(0)).toEqual([]);
  });

  it.each(['NonZero', 'Unique', 'Compress', 'NonMaxSuppression'])('%s picks by data', (opType) => {
    expect(found((g) => g.node(opType, ['x']))).toEqual([`${opType} picks by`]);
    expect(found((g) => g.node(opType, ['k']))).toEqual([]);
  });

  describe('a Loop', () => {
    it.each<[what: string, build: (g: GraphBuilder) => string, expected: string[]]>([
      [
        'with k rounds',
        (g) => loop(g, { count: 'k', carried: ['x'], body: (b, _, [v]) => [always(b), b.node('Exp', [v ?? ''])] }),
        [],
      ],
      [
        'with a number of rounds from data',
        (g) =>
          loop(g, {
            count: g.node('ReduceMax', ['x']),
            carried: ['x'],
            body: (b, _, [v]) => [always(b), b.node('Exp', [v ?? ''])],
          }),
        ['Loop loops by'],
      ],
      [
        'that starts on a condition on data',
        (g) =>
          loop(g, {
            count: 'k',
            first: isLarge(g, 'x'),
            carried: ['x'],
            body: (b, _, [v]) => [always(b), b.node('Exp', [v ?? ''])],
          }),
        ['Loop loops by'],
      ],
      [
        'that ends on a condition on data',
        (g) => loop(g, { carried: ['x'], body: (b, _, [v]) => [isLarge(b, v ?? ''), b.node('Exp', [v ?? ''])] }),
        ['Loop loops by'],
      ],
      [
        'that ends on a condition on outer data',
        (g) => loop(g, { carried: ['k'], body: (b, _, [v]) => [isLarge(b, 'x'), b.node('Neg', [v ?? ''])] }),
        ['Loop loops by'],
      ],
      [
        'that ends on a value that becomes data in the second round',
        (g) =>
          loop(g, {
            carried: ['k', 'x'],
            body: (b, _, [k, x]) => [isLarge(b, k ?? ''), b.node('Neg', [x ?? '']), b.node('Neg', [x ?? ''])],
          }),
        ['Loop loops by'],
      ],
      [
        'that branches on data, which is reported once',
        (g) =>
          loop(g, {
            count: 'k',
            carried: ['k', 'k'],
            body: (b, _, [first, second]) => [
              always(b),
              b.node('Neg', [second ?? '']),
              branch(b, isLarge(b, first ?? '')),
            ],
          }),
        ['If branches on'],
      ],
      [
        'that ends on the number of the round',
        (g) =>
          loop(g, {
            carried: ['x'],
            body: (b, round, [v]) => [b.node('Less', [round, 'k']), b.node('Exp', [v ?? ''])],
          }),
        [],
      ],
      [
        'whose result makes a shape',
        (g) =>
          g.node('Expand', [
            'x',
            loop(g, { count: 'k', carried: ['k'], body: (b, _, [v]) => [always(b), b.node('Add', [v ?? '', 'x'])] }),
          ]),
        ['Expand makes a shape from'],
      ],
      [
        'that only counts, whose result makes a shape',
        (g) =>
          g.node('Expand', [
            'x',
            loop(g, { count: 'k', carried: ['k'], body: (b, _, [v]) => [always(b), b.node('Neg', [v ?? ''])] }),
          ]),
        [],
      ],
    ])('%s', (_, build, expected) => {
      expect(found(build)).toEqual(expected);
    });
  });

  describe('a Scan', () => {
    const scan = (
      g: GraphBuilder,
      inputs: readonly string[],
      build: (b: GraphBuilder, v: string) => string,
    ): string => {
      const body = g.subgraph();
      const [state = ''] = inputs.map((name) => body.bodyInput(`${name}_in`, SCALAR));
      body.output({ name: build(body, state), ...SCALAR });
      const attributes = { body: { graph: body.build('body') }, num_scan_inputs: { int: inputs.length - 1 } };
      return g.node('Scan', inputs, { attributes });
    };

    it.each<[what: string, build: (g: GraphBuilder) => string, expected: string[]]>([
      ['that only computes', (g) => scan(g, ['x', 'k'], (b, v) => b.node('Exp', [v])), []],
      [
        'whose result makes a shape',
        (g) => g.node('Expand', ['x', scan(g, ['x', 'k'], (b, v) => b.node('Exp', [v]))]),
        ['Expand makes a shape from'],
      ],
      [
        'without data whose result makes a shape',
        (g) => g.node('Expand', ['x', scan(g, ['k', 'k'], (b, v) => b.node('Neg', [v]))]),
        [],
      ],
      [
        'that reads outer data',
        (g) => g.node('Expand', ['x', scan(g, ['k', 'k'], (b, v) => b.node('Add', [v, 'x']))]),
        ['Expand makes a shape from'],
      ],
      [
        'that reads outer data in a branch',
        (g) => g.node('Expand', ['x', scan(g, ['k', 'k'], (b) => branch(b, b.node('Equal', ['k', 'k'])))]),
        ['Expand makes a shape from'],
      ],
      [
        'that branches on the scanned value',
        (g) => scan(g, ['x', 'k'], (b, v) => branch(b, isLarge(b, v))),
        ['If branches on'],
      ],
      [
        'that branches on a value that becomes data in the second round',
        (g) =>
          scan(g, ['k', 'k'], (b, v) => {
            branch(b, isLarge(b, v));
            return b.node('Neg', ['x']);
          }),
        ['If branches on'],
      ],
    ])('%s', (_, build, expected) => {
      expect(found(build)).toEqual(expected);
    });
  });

  it('does not confuse an omitted input with an omitted output', () => {
    const omitting = (g: GraphBuilder): string[] => {
      const names = ['', g.uniqueName('h')];
      return g.nodes('LSTM', ['x', 'k', 'k'], { names });
    };
    expect(
      found((g) => {
        omitting(g);
        return g.node('Resize', ['x', '', '', 'k']);
      }),
    ).toEqual([]);
    expect(
      found((g) => {
        omitting(g);
        return loop(g, { count: 'k', carried: ['x'], body: (b, _, [v]) => [always(b), b.node('Exp', [v ?? ''])] });
      }),
    ).toEqual([]);
  });

  it.each<[what: string, parts: (g: GraphBuilder) => LoopParts, isOpenEnded: true | undefined]>([
    ['its count is data', (g) => ({ ...ENDS_ON_DATA, count: g.node('ReduceMax', ['x']) }), true],
    ['it has no count and ends on data', () => ENDS_ON_DATA, true],
    ['its count is the largest number, for none', (g) => ({ ...ENDS_ON_DATA, count: g.initializer(most) }), true],
    ['its count is such a constant node', (g) => ({ ...ENDS_ON_DATA, count: constant(g) }), true],
    ['its count is a constant', (g) => ({ ...ENDS_ON_DATA, count: g.initializer(int64('hundred', 100)) }), undefined],
    ['its count is a size', (g) => ({ ...ENDS_ON_DATA, count: g.node('Size', ['x']) }), undefined],
  ])('a Loop that data can end is told whether anything else bounds it: %s', (_, parts, isOpenEnded) => {
    const [first] = findDataDependentNodes(
      graph((g) => loop(g, parts(g))),
      new Set(['x']),
    );
    expect([first?.does, first?.isOpenEnded]).toEqual(['loops by', isOpenEnded]);
  });

  it('gives the name of the node', () => {
    const [first] = findDataDependentNodes(
      graph((g) => g.node('Expand', ['x', g.node('ReduceMax', ['x'])], { hint: 'wide' })),
      new Set(['x']),
    );
    expect(first).toEqual({ opType: 'Expand', name: 'Expand:wide', does: 'makes a shape from' });
  });

  it('considers only the given inputs', () => {
    const build = (g: GraphBuilder): string => g.node('Expand', ['x', 'k']);
    expect(found(build, ['k'])).toEqual(['Expand makes a shape from']);
    expect(found(build, [])).toEqual([]);
  });
});
