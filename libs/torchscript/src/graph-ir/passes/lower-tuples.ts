import { replaceValue, resolve, writeReplacements, type Block, type Graph, type Node, type Value } from '../graph.ts';
import { eliminateDeadCode } from './dead-code.ts';

/** Replaces the items of an unpacked tuple by the values from which the tuple was made. */
export function lowerSimpleTuples(graph: Graph): void {
  lowerBlock(graph.block);
  writeReplacements(graph.block);
  eliminateDeadCode(graph);
}

function lowerBlock(block: Block): void {
  for (const node of block.nodes) {
    lowerNode(node);
    node.blocks.forEach(lowerBlock);
  }
}

function lowerNode(node: Node): void {
  if (node.kind !== 'prim::TupleUnpack' && node.kind !== 'prim::TupleIndex') return;
  const tuple = resolve(node.inputs[0] as Value).node;
  if (tuple?.kind !== 'prim::TupleConstruct') return;
  if (node.kind === 'prim::TupleUnpack') {
    node.outputs.forEach((output, i) => {
      replaceValue(output, tuple.inputs[i] as Value);
    });
    return;
  }
  const index = resolve(node.inputs[1] as Value).node?.constant;
  const item = typeof index === 'bigint' ? tuple.inputs.at(Number(index)) : undefined;
  if (item !== undefined) replaceValue(node.outputs[0] as Value, item);
}
