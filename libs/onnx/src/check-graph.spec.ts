import { describe, expect, it } from 'vitest';

import { checkGraph, type OnnxGraph, type OnnxNode } from './index.ts';

const info = (name: string) => ({ name, datatype: 'FLOAT', shape: [] }) as const;
const constant = (name: string) => ({ name, datatype: 'FLOAT', dims: [], data: new Uint8Array(4) }) as const;

function node(opType: string, inputs: string[], outputs: string[], body?: OnnxGraph): OnnxNode {
  const attributes: OnnxNode['attributes'] = body === undefined ? {} : { body: { graph: body } };
  return { opType, domain: '', name: `n_${outputs.join('_')}`, inputs, outputs, attributes };
}

function graph(parts: { in?: string[]; k?: string[]; nodes?: OnnxNode[]; out?: string[]; name?: string }): OnnxGraph {
  return {
    name: parts.name ?? 'g',
    inputs: (parts.in ?? []).map(info),
    initializers: (parts.k ?? []).map(constant),
    nodes: parts.nodes ?? [],
    outputs: (parts.out ?? []).map(info),
  };
}

const branch = (parts: Parameters<typeof graph>[0]) => graph({ ...parts, name: 'body' });

describe('checkGraph', () => {
  it.each<[string, OnnxGraph]>([
    ['an empty graph', graph({})],
    ['inputs and constants as outputs, one of them twice', graph({ in: ['x'], k: ['k'], out: ['x', 'k', 'x'] })],
    [
      'omitted optional inputs and outputs',
      graph({ in: ['x'], nodes: [node('F', ['x', '', 'x'], ['y', '']), node('G', [], ['z', ''])] }),
    ],
    [
      'a body that uses an outer value',
      graph({
        in: ['x'],
        nodes: [node('If', ['x'], ['y'], branch({ nodes: [node('Neg', ['x'], ['b'])], out: ['b'] }))],
      }),
    ],
    [
      'sibling bodies with the same names',
      graph({
        in: ['x'],
        nodes: [
          node('If', ['x'], ['y'], branch({ nodes: [node('Neg', ['x'], ['b'])], out: ['b'] })),
          node('If', ['y'], ['z'], branch({ nodes: [node('Neg', ['y'], ['b'])], out: ['b'] })),
        ],
      }),
    ],
  ])('accepts %s', (_, good) => {
    expect(() => checkGraph(good)).not.toThrow();
  });

  it.each<[string, OnnxGraph, string]>([
    [
      'a use of an undefined value',
      graph({ nodes: [node('Neg', ['x'], ['y'])] }),
      'graph "g": node "n_y" (Neg) uses "x", which is not defined before it',
    ],
    [
      'a use before the definition',
      graph({ in: ['x'], nodes: [node('Neg', ['a'], ['b']), node('Neg', ['x'], ['a'])] }),
      'graph "g": node "n_b" (Neg) uses "a", which is not defined before it',
    ],
    [
      'a use of its own output',
      graph({ nodes: [node('Neg', ['a'], ['a'])] }),
      'graph "g": node "n_a" (Neg) uses "a", which is not defined before it',
    ],
    [
      'a body that uses an outer value of a later node',
      graph({
        in: ['x'],
        nodes: [node('If', ['x'], ['y'], branch({ nodes: [node('Neg', ['z'], ['b'])] })), node('Neg', ['x'], ['z'])],
      }),
      'graph "body": node "n_b" (Neg) uses "z", which is not defined before it',
    ],
    [
      'a use of a value inside a body',
      graph({
        in: ['x'],
        nodes: [node('If', ['x'], ['y'], branch({ k: ['b'], out: ['b'] })), node('Neg', ['b'], ['z'])],
      }),
      'graph "g": node "n_z" (Neg) uses "b", which is not defined before it',
    ],
    ['an input defined twice', graph({ in: ['x', 'x'] }), 'graph "g": an input defines "x", which is defined already'],
    ['a nameless input', graph({ in: [''] }), 'graph "g": an input has no name'],
    [
      'an initializer that is an input',
      graph({ in: ['x'], k: ['x'] }),
      'graph "g": an initializer defines "x", which is defined already',
    ],
    [
      'an output defined twice',
      graph({ in: ['x'], nodes: [node('Neg', ['x'], ['x'])] }),
      'graph "g": node "n_x" (Neg) defines "x", which is defined already',
    ],
    [
      'a body that defines the name of an outer value again',
      graph({ in: ['x'], nodes: [node('If', ['x'], ['y'], branch({ k: ['x'] }))] }),
      'graph "body": an initializer defines "x", which is defined already',
    ],
    [
      'two nodes with one name',
      graph({
        in: ['x'],
        nodes: [node('Neg', ['x'], ['y']), { ...node('Abs', ['x'], ['z']), name: 'n_y', domain: 'd' }],
      }),
      'graph "g": two nodes have the name of node "n_y" (d::Abs)',
    ],
    ['an output that is not defined', graph({ out: ['y'] }), 'graph "g": output "y" is not defined'],
    [
      'a body that returns an outer value',
      graph({ in: ['x'], nodes: [node('If', ['x'], ['y'], branch({ out: ['x'] }))] }),
      'graph "body": output "x" comes from an outer graph: add an Identity node',
    ],
  ])('refuses %s', (_, bad, message) => {
    expect(() => checkGraph(bad)).toThrow(expect.objectContaining({ code: 'internal', message }));
  });
});
