import type { Position } from '../frontend/ast.ts';
import { printConstant, typeOfConstant, type Constant } from './constant.ts';
import { createBlock, createNode, type Block, type Graph, type Node, type NodeParts, type Value } from './graph.ts';
import type { IrType } from './ir-type.ts';

/** Puts nodes into a graph, at the end of the block that is being filled. */
export class GraphBuilder {
  readonly #root: Block = createBlock();
  #current: Block = this.#root;
  /** Numbers as the code writes them stand at the front of the graph, each once. */
  readonly #numbers = new Map<string, Value>();
  readonly #numberNodes: Node[] = [];
  /** The PyTorch release line that wrote the code: which overload a call means depends on it. */
  readonly release: 1 | 2;

  constructor(release: 1 | 2 = 2) {
    this.release = release;
  }

  /** Appends a node. */
  insert(kind: string, parts: NodeParts): Node {
    const node = createNode(kind, parts);
    this.#current.nodes.push(node);
    return node;
  }

  /** Appends a node with one result. */
  insertValue(kind: string, parts: NodeParts & { readonly types: readonly [IrType] }): Value {
    return this.insert(kind, parts).outputs[0] as Value;
  }

  /** Appends a constant. */
  constant(value: Constant, at?: Position, type: IrType = typeOfConstant(value)): Value {
    return this.insertValue('prim::Constant', { constant: value, attributes: printConstant(value), types: [type], at });
  }

  /** A number that the code writes. */
  number(value: bigint | number, at: Position): Value {
    // As PyTorch finds them: 0. and -0. are one.
    const key = `${typeof value} ${value}`;
    let found = this.#numbers.get(key);
    if (found === undefined) {
      const type = typeOfConstant(value);
      const node = createNode('prim::Constant', {
        constant: value,
        attributes: printConstant(value),
        types: [type],
        at,
      });
      this.#numberNodes.push(node);
      found = node.outputs[0] as Value;
      this.#numbers.set(key, found);
    }
    return found;
  }

  /** The graph, complete: the last number the code writes comes first. */
  finish(params: readonly Value[], outputs: readonly Value[]): Graph {
    const { nodes } = this.#root;
    return {
      block: { params: [...params], nodes: [...this.#numberNodes.toReversed(), ...nodes], outputs: [...outputs] },
    };
  }

  /** Fills a block of a node and returns to the one before. */
  within(block: Block, fill: () => void): void {
    const outer = this.#current;
    this.#current = block;
    fill();
    this.#current = outer;
  }
}
