import { describe, expect, it } from 'vitest';

import { GraphBuilder, checkGraph, pruneGraph, type OnnxGraph } from './index.ts';

const float = { datatype: 'FLOAT', shape: [] } as const;
const scalar = (name: string) => ({ name, datatype: 'FLOAT', dims: [], data: new Uint8Array(4) }) as const;
const names = (graph: OnnxGraph) => [
  ...graph.initializers.map(({ name }) => name),
  ...graph.nodes.flatMap((n) => n.outputs),
];

describe('pruneGraph', () => {
  it('drops nodes and constants that no output needs and keeps inputs and outputs', () => {
    const builder = new GraphBuilder();
    builder.input({ name: 'x', ...float });
    builder.input({ name: 'unused', ...float });
    const k = builder.initializer(scalar('k'));
    const dead = builder.node('Neg', [builder.initializer(scalar('dead_k'))], { hint: 'dead' });
    builder.node('Abs', [dead], { hint: 'dead' });
    builder.output({ name: builder.node('Add', ['x', k]), ...float });
    const graph = pruneGraph(builder.build('g'));
    expect(names(graph)).toEqual(['k', 'add']);
    expect(graph.inputs.map(({ name }) => name)).toEqual(['x', 'unused']);
    expect(graph.outputs.map(({ name }) => name)).toEqual(['add']);
  });

  it('keeps a node with one used output, and initializers and inputs that are outputs', () => {
    const builder = new GraphBuilder();
    const x = builder.input({ name: 'x', ...float });
    const k = builder.initializer(scalar('k'));
    const [, second] = builder.nodes('Split', [x], { outputs: 2 });
    for (const name of [x, k, second!]) builder.output({ name, ...float });
    expect(names(pruneGraph(builder.build('g')))).toEqual(['k', 'split', 'split_1']);
  });

  it('keeps values that only a body uses, at any depth, and prunes the bodies', () => {
    const builder = new GraphBuilder();
    const go = builder.input({ name: 'go', datatype: 'BOOL', shape: [] });
    const far = builder.node('Neg', [builder.initializer(scalar('far_k'))], { hint: 'far' });
    const onlyDead = builder.initializer(scalar('only_dead'));
    const outer = builder.subgraph();
    const near = outer.initializer(scalar('near'));
    outer.node('Neg', [onlyDead], { hint: 'dead' });
    const inner = outer.subgraph();
    inner.initializer(scalar('inner_dead'));
    inner.output({ name: inner.node('Add', [far, near], { hint: 'sum' }), ...float });
    const body = { graph: inner.build('inner') };
    outer.output({ name: outer.node('If', [go], { attributes: { then_branch: body, else_branch: body } }), ...float });
    const outerBody = { graph: outer.build('outer') };
    const attributes = { then_branch: outerBody, else_branch: outerBody, more: { int: 1 } };
    builder.output({ name: builder.node('If', [go], { attributes }), ...float });
    // The body of an unused node does not keep the values that it uses.
    const late = builder.initializer(scalar('late'));
    const unused = builder.subgraph();
    unused.output({ name: unused.node('Neg', [late]), ...float });
    builder.node('If', [go], { attributes: { then_branch: { graph: unused.build('unused') } } });

    const whole = builder.build('g');
    const graph = pruneGraph(whole);
    expect(names(graph)).toEqual(['far_k', 'far', 'if_1']);
    const kept = graph.nodes[1]?.attributes as { then_branch: { graph: OnnxGraph }; more: unknown };
    expect(kept.more).toEqual({ int: 1 });
    expect(names(kept.then_branch.graph)).toEqual(['near', 'if']);
    const innerKept = kept.then_branch.graph.nodes[0]?.attributes as { then_branch: { graph: OnnxGraph } };
    expect(names(innerKept.then_branch.graph)).toEqual(['sum']);
    expect(() => checkGraph(graph)).not.toThrow();
    expect(pruneGraph(graph)).toEqual(graph);
    expect(whole.initializers).toHaveLength(3);
  });

  const neg = { opType: 'Neg', domain: '', name: '', inputs: ['go'], outputs: ['k'], attributes: {} };

  it.each<[string, Partial<OnnxGraph>]>([
    ['constant', { initializers: [scalar('k')] }],
    ['input', { inputs: [{ name: 'k', ...float }] }],
    ['computed value', { nodes: [neg] }],
  ])('does not confuse a %s of a body with the outer value of the same name', (_, parts) => {
    const body = {
      name: 'body',
      inputs: [],
      outputs: [{ name: 'k', ...float }],
      initializers: [],
      nodes: [],
      ...parts,
    };
    const attributes = { then_branch: { graph: body } };
    const graph: OnnxGraph = {
      name: 'g',
      inputs: [],
      outputs: [{ name: 'y', ...float }],
      initializers: [scalar('k'), scalar('go')],
      nodes: [{ opType: 'If', domain: '', name: '', inputs: ['go'], outputs: ['y'], attributes }],
    };
    expect(names(pruneGraph(graph))).toEqual(['go', 'y']);
  });

  it('does not treat the empty name as a value', () => {
    const node = { opType: 'F', domain: '', name: '', inputs: ['', 'x'], outputs: ['', 'y'], attributes: {} };
    const graph = (output: string): OnnxGraph => ({
      name: 'g',
      inputs: [{ name: 'x', ...float }],
      outputs: [{ name: output, ...float }],
      initializers: [],
      nodes: [node],
    });
    expect(pruneGraph(graph('y')).nodes).toEqual([node]);
    expect(pruneGraph(graph('x')).nodes).toEqual([]);
  });
});
