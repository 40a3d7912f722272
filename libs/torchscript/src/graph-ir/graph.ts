import type { Position } from '../frontend/ast.ts';
import type { Constant } from './constant.ts';
import type { IrType } from './ir-type.ts';
import { checkTypeSize } from './type-size.ts';

/** A graph in single assignment form. Its parameters are those of its block. */
export interface Graph {
  readonly block: Block;
}

/** A straight line of nodes with parameters and results. */
export interface Block {
  params: Value[];
  nodes: Node[];
  outputs: Value[];
}

/** One operation. */
export interface Node {
  /** `aten::add`, `prim::If`. */
  readonly kind: string;
  /** What stands in square brackets behind the name: `name="weight"`. Constants have theirs in `constant`. */
  readonly attributes: string;
  inputs: Value[];
  outputs: Value[];
  blocks: Block[];
  /** What a `prim::fork` runs. */
  subgraph?: Graph;
  /** What a `prim::Constant` stands for. */
  readonly constant?: Constant;
  /** Whether it must stay though nobody uses its results. */
  readonly sideEffect: boolean;
  /** The attribute a `prim::GetAttr` reads, the method a `prim::CallMethod` calls, the function of a constant. */
  readonly name?: string;
  readonly at: Position | undefined;
}

/** A value. `node` made it; a block's parameter has none. */
export interface Value {
  type: IrType;
  /** The name it had in the code, where it had one. */
  name: string | undefined;
  readonly node: Node | undefined;
  /** The value that took its place. */
  replacement: Value | undefined;
}

/** What a node is made of; the rest has its usual value. */
export interface NodeParts {
  readonly inputs?: readonly Value[];
  /** Types of its results. */
  readonly types?: readonly IrType[];
  readonly attributes?: string;
  readonly constant?: Constant;
  readonly sideEffect?: boolean;
  readonly name?: string;
  readonly at?: Position | undefined;
}

export function createBlock(): Block {
  return { params: [], nodes: [], outputs: [] };
}

/** @throws SconceError `model_invalid` where its type is too large to be printed. */
export function createValue(type: IrType, node?: Node, name?: string): Value {
  checkTypeSize(type);
  return { type, name, node, replacement: undefined };
}

export function createNode(kind: string, parts: NodeParts): Node {
  const { inputs = [], types = [], attributes = '', sideEffect = false, constant, name, at } = parts;
  const node: Node = {
    kind,
    attributes,
    inputs: [...inputs],
    outputs: [],
    blocks: [],
    sideEffect,
    at,
    ...(constant === undefined ? {} : { constant }),
    ...(name === undefined ? {} : { name }),
  };
  node.outputs = types.map((type) => createValue(type, node));
  return node;
}

/** Follows replacements to the value that stands for this one now. */
export function resolve(value: Value): Value {
  let found = value;
  while (found.replacement !== undefined) found = found.replacement;
  // The next one who asks finds it at once.
  for (let current = value; current.replacement !== undefined;) {
    const next = current.replacement;
    current.replacement = found;
    current = next;
  }
  return found;
}

/** Puts `replacement` wherever `value` is used. */
export function replaceValue(value: Value, replacement: Value): void {
  const target = resolve(replacement);
  if (target !== value) value.replacement = target;
}

/** Writes the values that stand for others now into all nodes; after every pass that replaces. */
export function settle(block: Block): void {
  for (const node of block.nodes) {
    node.inputs = node.inputs.map(resolve);
    node.blocks.forEach(settle);
  }
  block.outputs = block.outputs.map(resolve);
}
