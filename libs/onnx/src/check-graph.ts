import { SconceError } from '@sconce/errors';

import type { OnnxGraph, OnnxNode } from './model.ts';

/**
 * Checks what a graph promises by its form: every value is defined before it is used (here or in a graph around), no
 * name is defined twice where it can be seen, node names are unique within a graph, and every output is defined by
 * its own graph (a body may not hand out a value from around it: that takes an Identity).
 *
 * @throws SconceError `internal`, naming the node and the value: a graph we built wrongly is our fault.
 */
export function checkGraph(graph: OnnxGraph): void {
  check(graph, new Set());
}

function check(graph: OnnxGraph, around: ReadonlySet<string>): void {
  const own = new Set<string>();
  const define = (name: string, by: string): void => {
    if (name === '') throw broken(graph, `${by} has no name`);
    if (own.has(name) || around.has(name)) throw broken(graph, `${by} defines "${name}", which is defined already`);
    own.add(name);
  };
  for (const { name } of graph.inputs) define(name, 'an input');
  for (const { name } of graph.initializers) define(name, 'an initializer');

  const nodeNames = new Set<string>();
  for (const node of graph.nodes) {
    const label = describe(node);
    if (node.name !== '' && nodeNames.has(node.name)) throw broken(graph, `two nodes have the name of ${label}`);
    nodeNames.add(node.name);
    for (const input of node.inputs) {
      if (input !== '' && !own.has(input) && !around.has(input)) {
        throw broken(graph, `${label} uses "${input}", which nothing defines before it`);
      }
    }
    for (const attribute of Object.values(node.attributes)) {
      if ('graph' in attribute) check(attribute.graph, new Set([...around, ...own]));
    }
    // '' stands for an optional output that is left out.
    for (const output of node.outputs) if (output !== '') define(output, label);
  }

  for (const { name } of graph.outputs) {
    if (own.has(name)) continue;
    const fault = around.has(name) ? 'comes from around the graph: add an Identity' : 'is defined by nothing';
    throw broken(graph, `output "${name}" ${fault}`);
  }
}

function describe(node: OnnxNode): string {
  const type = node.domain === '' ? node.opType : `${node.domain}::${node.opType}`;
  return `node "${node.name}" (${type})`;
}

function broken(graph: OnnxGraph, fault: string): SconceError {
  return new SconceError('internal', `graph "${graph.name}": ${fault}`);
}
