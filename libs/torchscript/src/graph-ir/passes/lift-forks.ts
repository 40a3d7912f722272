import { createValue, resolve, type Block, type Graph, type Node, type Value } from '../graph.ts';
import { eliminateDeadCode } from './dead-code.ts';

/** Moves the body of each fork into its own graph. Outer values that it uses become its parameters. */
export function liftForks(graph: Graph): void {
  liftBlock(graph.block);
}

function liftBlock(block: Block): void {
  for (const node of block.nodes) {
    node.blocks.forEach(liftBlock);
    const [task] = node.blocks;
    if (node.kind === 'prim::fork' && task !== undefined) lift(node, task);
  }
}

function lift(node: Node, task: Block): void {
  const captured = new Map<Value, Value>();
  capture(task, new Set(task.params), captured);
  task.params = [...task.params, ...captured.values()];
  node.inputs = [...node.inputs, ...captured.keys()];
  node.subgraph = { block: task };
  node.blocks = [];
  eliminateDeadCode(node.subgraph);
}

/** Replaces values that a block uses but does not make. */
function capture(block: Block, known: Set<Value>, captured: Map<Value, Value>): void {
  const use = (used: Value): Value => {
    const value = resolve(used);
    if (known.has(value)) return value;
    let param = captured.get(value);
    if (param === undefined) {
      param = createValue(value.type, undefined, value.name);
      captured.set(value, param);
    }
    return param;
  };
  for (const node of block.nodes) {
    node.inputs = node.inputs.map(use);
    for (const inner of node.blocks) {
      for (const param of inner.params) known.add(param);
      capture(inner, known, captured);
    }
    for (const output of node.outputs) known.add(output);
  }
  block.outputs = block.outputs.map(use);
}
