import type { Position } from '../frontend/ast.ts';
import type { Constant } from './constant.ts';
import type { IrType } from './ir-type.ts';
import { checkTypeSize } from './type-size.ts';

/** A graph in single assignment form. Its parameters are the parameters of its block. */
export interface Graph {
  readonly block: Block;
}

/** A sequence of nodes with parameters and results. */
export interface Block {
  params: Value[];
  nodes: Node[];
  outputs: Value[];
}

/** One operation. */
export interface Node {
  /** `aten::add`, `prim::If`. */
  readonly kind: string;
  /** The text in square brackets after the kind: `name="weight"`. Empty for constants, which have `constant`. */
  readonly attributes: string;
  inputs: Value[];
  outputs: Value[];
  blocks: Block[];
  /** The graph that a `prim::fork` runs. */
  subgraph?: Graph;
  /** The value of a `prim::Constant`. */
  readonly constant?: Constant;
  /** Whether the node must stay even if its results are not used. */
  readonly sideEffect: boolean;
  /** The attribute that a `prim::GetAttr` reads, the method that a `prim::CallMethod` calls, or the function of a constant. */
  readonly name?: string;
  readonly at: Position | undefined;
}

/** A value. `node` makes it. A parameter of a block has no node. */
export interface Value {
  type: IrType;
  /** Its name in the code, if it has one. */
  name: string | undefined;
  readonly node: Node | undefined;
  /** The value that replaced it. */
  replacement: Value | undefined;
}

/** The parts of a new node. All are optional. */
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

/** A new empty block. */
export function createBlock(): Block {
  return { params: [], nodes: [], outputs: [] };
}

/** @throws SconceError `model_invalid` if its type is too large to print. */
export function createValue(type: IrType, node?: Node, name?: string): Value {
  checkTypeSize(type);
  return { type, name, node, replacement: undefined };
}

/** A new node, with one result for each of `parts.types`. */
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
    constant,
    name,
  };
  node.outputs = types.map((type) => createValue(type, node));
  return node;
}

/** Follows replacements to the value that now replaces this one. */
export function resolve(value: Value): Value {
  let found = value;
  while (found.replacement !== undefined) found = found.replacement;
  // Shortens the chain for the next call.
  for (let current = value; current.replacement !== undefined;) {
    const next = current.replacement;
    current.replacement = found;
    current = next;
  }
  return found;
}

/** Replaces `value` by `replacement` in all its uses. */
export function replaceValue(value: Value, replacement: Value): void {
  const target = resolve(replacement);
  if (target !== value) value.replacement = target;
}

/** Writes replacements into the inputs and outputs of all nodes. Call it after every pass that replaces values. */
export function writeReplacements(block: Block): void {
  for (const node of block.nodes) {
    node.inputs = node.inputs.map(resolve);
    node.blocks.forEach(writeReplacements);
  }
  block.outputs = block.outputs.map(resolve);
}
