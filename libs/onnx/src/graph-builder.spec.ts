import { describe, expect, it } from 'vitest';

import { GraphBuilder, checkGraph } from './index.ts';

const float = { datatype: 'FLOAT', shape: [2] } as const;

describe('GraphBuilder', () => {
  it('builds a valid graph with bodies', () => {
    const builder = new GraphBuilder();
    const x = builder.input({ name: 'x', ...float });
    const go = builder.initializer({ name: 'go', datatype: 'BOOL', dims: [], data: Uint8Array.of(1) });
    const branches = ['Neg', 'Abs'].map((opType) => {
      const body = builder.subgraph();
      body.output({ name: body.node(opType, [x], { hint: 'out' }), ...float });
      return { graph: body.build(opType) };
    });
    const y = builder.node('If', [go], { attributes: { then_branch: branches[0]!, else_branch: branches[1]! } });
    builder.output({ name: y, ...float });
    const graph = builder.build('g');

    expect(() => checkGraph(graph)).not.toThrow();
    expect(graph.nodes).toEqual([
      {
        opType: 'If',
        domain: '',
        name: 'If:if',
        inputs: ['go'],
        outputs: ['if'],
        attributes: { then_branch: branches[0], else_branch: branches[1] },
      },
    ]);
    expect(branches.map(({ graph }) => graph.outputs[0]?.name)).toEqual(['out', 'out_1']);
  });

  it.each([
    ['the same name again', ['a', 'a', 'a'], ['a', 'a_1', 'a_2']],
    ['a numbered name that is taken', ['a_1', 'a', 'a'], ['a_1', 'a', 'a_2']],
    ['a numbered name that is requested later', ['a', 'a', 'a_1'], ['a', 'a_1', 'a_1_1']],
    ['no name', ['', ''], ['value', 'value_1']],
    ['names that objects have', ['constructor', '__proto__'], ['constructor', '__proto__']],
  ])('gives unique names for %s', (_, wanted, expected) => {
    const builder = new GraphBuilder();
    expect(wanted.map((name) => builder.uniqueName(name))).toEqual(expected);
  });

  it('shares its names with its bodies in both directions', () => {
    const builder = new GraphBuilder();
    const body = builder.subgraph();
    expect(body.parent).toBe(builder);
    expect([
      builder.uniqueName('a'),
      body.uniqueName('a'),
      body.bodyInput('a', float),
      builder.uniqueName('a'),
    ]).toEqual(['a', 'a_1', 'a_2', 'a_3']);
    expect(body.build('b').inputs).toEqual([{ name: 'a_2', ...float }]);
  });

  it('drops trailing omitted inputs and keeps omitted inputs in between', () => {
    const builder = new GraphBuilder();
    builder.nodes('Clip', ['x', '', 'max'], { outputs: 1 });
    builder.nodes('Clip', ['x', '', ''], { outputs: 1 });
    expect(builder.build('g').nodes.map(({ inputs }) => inputs)).toEqual([['x', '', 'max'], ['x']]);
  });

  it('gives a node the requested number of outputs', () => {
    const builder = new GraphBuilder();
    expect(builder.nodes('Split', ['x'], { outputs: 3, hint: 'part' })).toEqual(['part', 'part_1', 'part_2']);
    expect(builder.nodes('Nothing', ['x'], { outputs: 0 })).toEqual([]);
  });

  it('refuses an input whose name is taken', () => {
    const builder = new GraphBuilder();
    builder.uniqueName('x');
    expect(() => builder.input({ name: 'x', ...float })).toThrow('graph value x exists already');
  });

  it('builds a copy that later additions do not change', () => {
    const builder = new GraphBuilder();
    const before = builder.build('g');
    builder.node('Neg', ['x']);
    expect(before.nodes).toEqual([]);
  });
});
