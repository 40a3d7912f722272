import { modelError } from '../torchscript-error.ts';
import {
  createBlock,
  createNode,
  createValue,
  replaceValue,
  resolve,
  writeReplacements,
  type Block,
  type Graph,
  type Node,
  type Value,
} from './graph.ts';

/** Largest number of nodes of an inlined graph. Nested calls in a small file could make a very large graph. */
const MAX_NODES = 200_000;

/** Gives the graph that a `prim::CallMethod` or `prim::CallFunction` calls; undefined if it is not known. */
export type CalleeOf = (call: Node) => Graph | undefined;

/** A copy of the graph with each call replaced by the graph that it calls, at all levels. */
export function inlineCalls(graph: Graph, calleeOf: CalleeOf): Graph {
  const result: Graph = { block: createBlock() };
  const inliner = new Inliner(calleeOf);
  result.block.params = graph.block.params.map((param) => inliner.copyValue(param));
  inliner.copyBlock(graph.block, result.block);
  writeReplacements(result.block);
  return result;
}

class Inliner {
  readonly #calleeOf: CalleeOf;
  #values = new Map<Value, Value>();
  #count = 0;

  constructor(calleeOf: CalleeOf) {
    this.#calleeOf = calleeOf;
  }

  copyValue(value: Value, node?: Node): Value {
    const copy = createValue(value.type, node, value.name);
    this.#values.set(value, copy);
    return copy;
  }

  copyBlock(from: Block, to: Block): void {
    for (const node of from.nodes) this.#copyNode(node, to);
    to.outputs = from.outputs.map((output) => this.#lookUp(output));
  }

  #lookUp(value: Value): Value {
    return resolve(this.#values.get(value) ?? value);
  }

  #copyNode(node: Node, to: Block): void {
    const isCall = node.kind === 'prim::CallMethod' || node.kind === 'prim::CallFunction';
    const callee = isCall ? this.#calleeOf(node) : undefined;
    if (callee !== undefined) {
      this.#inline(node, callee, to);
      return;
    }
    if (++this.#count > MAX_NODES) {
      throw modelError(
        'parse',
        `the inlined graph has more than ${MAX_NODES} nodes: look at the graphs of its methods instead`,
      );
    }
    const { kind, attributes, sideEffect, constant, name, at } = node;
    const copy = createNode(kind, {
      attributes,
      sideEffect,
      at,
      inputs: node.inputs.map((input) => this.#lookUp(input)),
      constant,
      name,
    });
    if (node.subgraph !== undefined) copy.subgraph = node.subgraph;
    to.nodes.push(copy);
    for (const block of node.blocks) {
      const inner = createBlock();
      copy.blocks.push(inner);
      inner.params = block.params.map((param) => this.copyValue(param));
      this.copyBlock(block, inner);
    }
    copy.outputs = node.outputs.map((output) => this.copyValue(output, copy));
  }

  #inline(call: Node, callee: Graph, to: Block): void {
    const inputs = call.inputs
      .slice(-callee.block.params.length || call.inputs.length)
      .map((input) => this.#lookUp(input));
    // The same graph may be inlined several times, each time with its own copies of values.
    const outer = this.#values;
    this.#values = new Map();
    callee.block.params.forEach((param, i) => {
      const input = inputs[i];
      if (input !== undefined) this.#values.set(param, input);
    });
    for (const node of callee.block.nodes) this.#copyNode(node, to);
    const results = callee.block.outputs.map((output) => this.#lookUp(output));
    this.#values = outer;
    call.outputs.forEach((output, i) => {
      const copy = this.copyValue(output);
      const result = results[i];
      if (result !== undefined) replaceValue(copy, result);
    });
  }
}
