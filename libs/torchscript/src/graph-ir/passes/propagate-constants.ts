import { printConstant, typeOfConstant, type Constant } from '../constant.ts';
import {
  createNode,
  replaceValue,
  resolve,
  writeReplacements,
  type Block,
  type Graph,
  type Node,
  type Value,
} from '../graph.ts';
import { isMutable, type IrType } from '../ir-type.ts';
import { constantKey } from './pool-constants.ts';
import { eliminateDeadCode } from './dead-code.ts';
import { evaluate } from './evaluate.ts';

/**
 * Computes operations on constants that cannot change: numbers, strings and tuples of them. Replaces a branch with a constant
 * condition by its code, and drops loops that never run.
 */
export function propagateConstants(graph: Graph): void {
  const propagator = new Propagator();
  propagator.propagate(graph.block);
  writeReplacements(graph.block);
  if (propagator.changed) eliminateDeadCode(graph);
}

class Propagator {
  changed = false;

  propagate(block: Block): void {
    const nodes: Node[] = [];
    for (const node of block.nodes) this.#visit(node, nodes);
    block.nodes = nodes;
    block.outputs = block.outputs.map(resolve);
  }

  #visit(node: Node, into: Node[]): void {
    node.inputs = node.inputs.map(resolve);
    const constants = node.inputs.map(constantOf);
    if (node.kind === 'prim::If') this.#visitIf(node, constants[0], into);
    else if (node.kind === 'prim::Loop') this.#visitLoop(node, constants, into);
    else this.#visitPlain(node, constants, into);
  }

  #visitPlain(node: Node, constants: readonly (Constant | undefined)[], into: Node[]): void {
    const known = constants.filter((constant) => constant !== undefined);
    const plain = [...node.inputs, ...node.outputs].every(({ type }) => !isMutable(type));
    const results = plain && known.length === constants.length && !node.sideEffect ? evaluate(node, known) : undefined;
    results?.forEach((result, i) => {
      const output = node.outputs[i];
      if (output === undefined) return;
      const constant = constantNode(result, result === null ? output.type : typeOfConstant(result));
      into.push(constant);
      replaceValue(output, constant.outputs[0] as Value);
      this.changed = true;
    });
    into.push(node);
  }

  #visitIf(node: Node, condition: Constant | undefined, into: Node[]): void {
    if (typeof condition === 'boolean') {
      const taken = node.blocks[condition ? 0 : 1];
      if (taken === undefined) return;
      this.propagate(taken);
      for (const inner of taken.nodes) into.push(inner);
      node.outputs.forEach((output, i) => {
        replaceValue(output, taken.outputs[i] as Value);
      });
      this.changed = true;
      return;
    }
    for (const block of node.blocks) this.propagate(block);
    this.#dropEqualResults(node, into);
    into.push(node);
  }

  /** A result that is equal in both branches becomes that value. */
  #dropEqualResults(node: Node, into: Node[]): void {
    const [yes, no] = node.blocks;
    if (yes === undefined || no === undefined) return;
    for (let i = 0; i < node.outputs.length;) {
      const a = resolve(yes.outputs[i] as Value);
      const b = resolve(no.outputs[i] as Value);
      let same: Value | undefined = a === b ? a : undefined;
      const constant = a.node?.constant;
      if (same === undefined && constant !== undefined && isSameConstant(a.node, b.node)) {
        const fresh = constantNode(constant, a.type);
        into.push(fresh);
        same = fresh.outputs[0];
      }
      if (same === undefined) {
        i++;
        continue;
      }
      replaceValue(node.outputs[i] as Value, same);
      for (const list of [node.outputs, yes.outputs, no.outputs]) list.splice(i, 1);
      this.changed = true;
    }
  }

  #visitLoop(node: Node, [trips, start]: readonly (Constant | undefined)[], into: Node[]): void {
    if (start === false || (typeof trips === 'bigint' && trips <= 0n)) {
      node.outputs.forEach((output, i) => {
        replaceValue(output, node.inputs[i + 2] as Value);
      });
      this.changed = true;
      return;
    }
    const [body] = node.blocks;
    if (body !== undefined) {
      this.propagate(body);
      this.#dropUnchanged(node, body);
    }
    into.push(node);
  }

  /** A value that no round changes is not carried. */
  #dropUnchanged(node: Node, body: Block): void {
    for (let i = node.outputs.length - 1; i >= 0; i--) {
      const param = body.params[i + 1] as Value;
      if (resolve(body.outputs[i + 1] as Value) !== param) continue;
      const [input] = node.inputs.splice(i + 2, 1);
      const [output] = node.outputs.splice(i, 1);
      body.params.splice(i + 1, 1);
      body.outputs.splice(i + 1, 1);
      if (input === undefined || output === undefined) continue;
      replaceValue(output, input);
      replaceValue(param, input);
      this.changed = true;
    }
  }
}

function constantOf(value: Value): Constant | undefined {
  return value.node?.constant;
}

function constantNode(constant: Constant, type: IrType): Node {
  return createNode('prim::Constant', { constant, attributes: printConstant(constant), types: [type] });
}

function isSameConstant(a: Node | undefined, b: Node | undefined): boolean {
  if (a?.constant === undefined || b?.constant === undefined) return false;
  const key = constantKey(a);
  return key !== undefined && key === constantKey(b);
}
