import { pruneGraph, type OnnxGraph } from '@sconce/onnx';

import type { CompiledSignature } from './resolve-signature.ts';

/**
 * Removes the state that no result of any call depends on, such as the running statistics of a batch norm that uses those of the batch.
 * State counts as used if a result, or other used state, is computed from it. Nodes and initializers that nothing needs are removed.
 */
export function withoutUnusedState(
  graph: OnnxGraph,
  signature: CompiledSignature,
): { readonly graph: OnnxGraph; readonly signature: CompiledSignature } {
  const { state } = signature;
  const next = new Set(state.map(({ output }) => output));
  let used = state.filter(() => false);
  for (;;) {
    const kept = new Set(used.map(({ output }) => output));
    const outputs = graph.outputs.filter(({ name }) => !next.has(name) || kept.has(name));
    const pruned = pruneGraph({ ...graph, outputs });
    const names = namesIn(pruned);
    const found = state.filter(({ input, output }) => names.has(input) || kept.has(output));
    if (found.length > used.length) {
      used = found;
      continue;
    }
    const dropped = new Set(state.filter((variable) => !used.includes(variable)).map(({ input }) => input));
    const remains = ({ name }: { readonly name: string }): boolean =>
      !dropped.has(name) && (!next.has(name) || kept.has(name));
    return {
      graph: { ...pruned, inputs: pruned.inputs.filter(remains) },
      signature: {
        ...signature,
        state: used,
        inputs: signature.inputs.filter(remains),
        outputs: signature.outputs.filter(remains),
      },
    };
  }
}

/** Names of all values that nodes of the graph, and of the graphs in it, take. */
function namesIn({ nodes }: OnnxGraph): Set<string> {
  const names = new Set<string>();
  for (const { inputs, attributes } of nodes) {
    for (const name of inputs) names.add(name);
    for (const attribute of Object.values(attributes)) {
      if (!('graph' in attribute)) continue;
      for (const name of namesIn(attribute.graph)) names.add(name);
      for (const { name } of attribute.graph.outputs) names.add(name);
    }
  }
  return names;
}
