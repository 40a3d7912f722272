import { replaceValue, writeReplacements, type Block, type Graph, type Node, type Value } from '../graph.ts';
import { printType } from '../ir-type.ts';

/** Moves all constants to the front of the graph, the last one first, and keeps one of equal constants. */
export function poolConstants(graph: Graph): void {
  const pool = new Map<unknown, Value>();
  const pooled: Node[] = [];
  collect(graph.block, pool, pooled);
  graph.block.nodes = [...pooled.reverse(), ...graph.block.nodes];
  writeReplacements(graph.block);
}

function collect(block: Block, pool: Map<unknown, Value>, pooled: Node[]): void {
  const rest: Node[] = [];
  for (const node of block.nodes) {
    for (const inner of node.blocks) collect(inner, pool, pooled);
    const value = node.outputs[0];
    if (node.constant === undefined || value === undefined) {
      rest.push(node);
      continue;
    }
    const key = constantKey(node);
    const known = key === undefined ? undefined : pool.get(key);
    if (known !== undefined) {
      replaceValue(value, known);
      continue;
    }
    if (key !== undefined) pool.set(key, value);
    pooled.push(node);
  }
  block.nodes = rest;
}

/** A key that is equal for equal constants; undefined for constants that equal no other, such as NaN. An object only equals itself. */
export function constantKey({ constant, attributes, outputs }: Node): unknown {
  if (constant === undefined || (typeof constant === 'number' && Number.isNaN(constant))) return undefined;
  const type = outputs.map((output) => printType(output.type)).join();
  if (typeof constant !== 'object' || constant === null) return `${type} ${attributes}`;
  switch (constant.kind) {
    case 'object':
      return constant;
    case 'tensor':
      return `${type} ${constant.identity} ${constant.text}`;
    case 'function':
      return `${type} ${constant.qualifiedName}`;
    default:
      return `${type} ${attributes}`;
  }
}
