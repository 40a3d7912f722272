import type { OnnxAttribute, OnnxGraph, OnnxNode } from './model.ts';

/**
 * The graph without the nodes and initializers that no output needs. The graphs inside it are pruned too. Inputs and
 * outputs stay as they are. If a node is used, the values that its bodies (If, Loop) use count as used.
 */
export function pruneGraph(graph: OnnxGraph): OnnxGraph {
  return prune(graph).graph;
}

interface Pruned<T> {
  readonly graph: T;
  /** Values of outer graphs that the graph uses. */
  readonly captured: ReadonlySet<string>;
}

function prune(graph: OnnxGraph): Pruned<OnnxGraph> {
  const needed = new Set(graph.outputs.map(({ name }) => name));
  const nodes: OnnxNode[] = [];
  // From the last node to the first, because the users of a node's outputs come after it.
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((name) => name !== '' && needed.has(name))) continue;
    const attributes = Object.entries(node.attributes).map(([name, attribute]): [string, OnnxAttribute] => {
      if (!('graph' in attribute)) return [name, attribute];
      const body = prune(attribute.graph);
      for (const captured of body.captured) needed.add(captured);
      return [name, { graph: body.graph }];
    });
    for (const name of node.inputs) if (name !== '') needed.add(name);
    nodes.push({ ...node, attributes: Object.fromEntries(attributes) });
  }
  nodes.reverse();
  const initializers = graph.initializers.filter(({ name }) => needed.has(name));

  const captured = new Set(needed);
  for (const { name } of [...graph.inputs, ...initializers]) captured.delete(name);
  for (const name of nodes.flatMap(({ outputs }) => outputs)) captured.delete(name);
  return { graph: { ...graph, nodes, initializers }, captured };
}
