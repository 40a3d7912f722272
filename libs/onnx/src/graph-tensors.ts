import type { OnnxAttribute, OnnxGraph, OnnxTensor } from './model.ts';

/** Every tensor of a graph and of the graphs inside it: initializers and tensors in attributes. */
export function* tensorsOf(graph: OnnxGraph): Generator<OnnxTensor, void> {
  yield* graph.initializers;
  for (const node of graph.nodes) {
    for (const attribute of Object.values(node.attributes)) {
      if ('tensor' in attribute) yield attribute.tensor;
      else if ('graph' in attribute) yield* tensorsOf(attribute.graph);
    }
  }
}

/** A copy of the graph in which `change` has replaced every tensor, also in the graphs inside it. */
export function mapTensors(graph: OnnxGraph, change: (tensor: OnnxTensor) => OnnxTensor): OnnxGraph {
  const mapAttribute = (attribute: OnnxAttribute): OnnxAttribute => {
    if ('tensor' in attribute) return { tensor: change(attribute.tensor) };
    if ('graph' in attribute) return { graph: mapTensors(attribute.graph, change) };
    return attribute;
  };
  return {
    ...graph,
    initializers: graph.initializers.map(change),
    nodes: graph.nodes.map((node) => ({
      ...node,
      attributes: Object.fromEntries(
        Object.entries(node.attributes).map(([name, attribute]) => [name, mapAttribute(attribute)]),
      ),
    })),
  };
}
