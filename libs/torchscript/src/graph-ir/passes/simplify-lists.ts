import { printConstant } from '../constant.ts';
import { createNode, replaceValue, resolve, type Block, type Node, type Value } from '../graph.ts';
import { INT } from '../ir-type.ts';

/** Lengths and items of lists that were just made and that nothing changes. */
export function simplifyLists(block: Block): boolean {
  const changed = new Set<Value>();
  collectChanged(block, changed);
  return simplifyBlock(block, changed);
}

function collectChanged(block: Block, changed: Set<Value>): void {
  for (const node of block.nodes) {
    for (const inner of node.blocks) collectChanged(inner, changed);
    // The list that an operator changes is its first argument.
    const list = node.sideEffect ? node.inputs[0] : undefined;
    if (list?.type.kind === 'list') changed.add(resolve(list));
  }
}

function simplifyBlock(block: Block, changed: ReadonlySet<Value>): boolean {
  let any = false;
  const nodes: Node[] = [];
  for (const node of block.nodes) {
    node.inputs = node.inputs.map(resolve);
    for (const inner of node.blocks) any = simplifyBlock(inner, changed) || any;
    const list = node.inputs[0];
    const made = list?.type.kind === 'list' && !changed.has(list) ? list.node : undefined;
    const results = made?.kind === 'prim::ListConstruct' ? simplifyNode(node, made.inputs, nodes) : undefined;
    results?.forEach((result, i) => {
      const output = node.outputs[i];
      if (output === undefined) return;
      replaceValue(output, result);
      any = true;
    });
    nodes.push(node);
  }
  block.nodes = nodes;
  return any;
}

/** What stands for the results of a node whose first argument is a list of these items; new nodes go into `before`. */
function simplifyNode(node: Node, items: readonly Value[], before: Node[]): readonly Value[] | undefined {
  switch (node.kind) {
    case 'aten::len': {
      const constant = BigInt(items.length);
      const length = createNode('prim::Constant', { constant, attributes: printConstant(constant), types: [INT] });
      before.push(length);
      return length.outputs;
    }
    case 'aten::__getitem__': {
      const index = node.inputs[1]?.node?.constant;
      const item = typeof index === 'bigint' ? items.at(Number(index)) : undefined;
      return item === undefined ? undefined : [item];
    }
    case 'prim::ListUnpack':
      return items.length === node.outputs.length ? items : undefined;
    case 'aten::add': {
      const other = node.inputs[1]?.node;
      if (node.inputs.length !== 2 || other?.kind !== 'prim::ListConstruct') return undefined;
      const types = node.outputs.map(({ type }) => type);
      const joined = createNode('prim::ListConstruct', { inputs: [...items, ...other.inputs], types });
      before.push(joined);
      return joined.outputs;
    }
    default:
      return undefined;
  }
}
