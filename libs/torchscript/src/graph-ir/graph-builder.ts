import type { Position } from '../frontend/ast.ts';
import { printConstant, typeOfConstant, type Constant } from './constant.ts';
import { createBlock, createNode, type Block, type Graph, type Node, type NodeParts, type Value } from './graph.ts';
import type { IrType } from './ir-type.ts';

/** Adds nodes to a graph, at the end of the current block. */
export class GraphBuilder {
  readonly #root: Block = createBlock();
  #current: Block = this.#root;
  /** The numbers in the code. Each is at the front of the graph once. */
  readonly #numbers = new Map<string, Value>();
  readonly #numberNodes: Node[] = [];
  /** The major release of PyTorch that wrote the code. The overload of a call depends on it. */
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

  /** A number in the code. */
  number(value: bigint | number, at: Position): Value {
    // As in PyTorch, 0. and -0. are the same.
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

  /** The complete graph. Numbers are at its front, the last number of the code first. */
  finish(params: readonly Value[], outputs: readonly Value[]): Graph {
    const { nodes } = this.#root;
    return {
      block: { params: [...params], nodes: [...this.#numberNodes.toReversed(), ...nodes], outputs: [...outputs] },
    };
  }

  /** Runs `fill` with `block` as the current block. */
  within(block: Block, fill: () => void): void {
    const outer = this.#current;
    this.#current = block;
    fill();
    this.#current = outer;
  }
}
