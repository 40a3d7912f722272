import { SconceError } from '@sconce/errors';

import type { OnnxGraph, OnnxNode } from './model.ts';

/**
 * Checks the structure of a graph:
 * - every value is defined before it is used, in this graph or in an outer graph;
 * - no value is defined twice in one scope;
 * - node names are unique within a graph;
 * - every output is defined in its own graph (a body that returns an outer value needs an Identity node).
 *
 * @throws SconceError `internal` that names the node and the value: only a bug in Sconce builds such a graph.
 */
export function checkGraph(graph: OnnxGraph): void {
  check(graph, new Set());
}

function check(graph: OnnxGraph, outer: ReadonlySet<string>): void {
  const own = new Set<string>();
  const define = (name: string, by: string): void => {
    if (name === '') throw invalidGraph(graph, `${by} has no name`);
    if (own.has(name) || outer.has(name))
      throw invalidGraph(graph, `${by} defines "${name}", which is defined already`);
    own.add(name);
  };
  for (const { name } of graph.inputs) define(name, 'an input');
  for (const { name } of graph.initializers) define(name, 'an initializer');

  const nodeNames = new Set<string>();
  for (const node of graph.nodes) {
    const label = nodeLabel(node);
    if (node.name !== '' && nodeNames.has(node.name)) throw invalidGraph(graph, `two nodes have the name of ${label}`);
    nodeNames.add(node.name);
    for (const input of node.inputs) {
      if (input !== '' && !own.has(input) && !outer.has(input)) {
        throw invalidGraph(graph, `${label} uses "${input}", which is not defined before it`);
      }
    }
    for (const attribute of Object.values(node.attributes)) {
      if ('graph' in attribute) check(attribute.graph, new Set([...outer, ...own]));
    }
    // '' means that an optional output is left out.
    for (const output of node.outputs) if (output !== '') define(output, label);
  }

  for (const { name } of graph.outputs) {
    if (own.has(name)) continue;
    const fault = outer.has(name) ? 'comes from an outer graph: add an Identity node' : 'is not defined';
    throw invalidGraph(graph, `output "${name}" ${fault}`);
  }
}

function nodeLabel(node: OnnxNode): string {
  const type = node.domain === '' ? node.opType : `${node.domain}::${node.opType}`;
  return `node "${node.name}" (${type})`;
}

function invalidGraph(graph: OnnxGraph, fault: string): SconceError {
  return new SconceError('internal', `graph "${graph.name}": ${fault}`);
}
