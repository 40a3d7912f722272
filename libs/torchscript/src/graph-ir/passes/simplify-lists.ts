import { printConstant } from '../constant.ts';
import { createNode, replaceValue, resolve, type Block, type Node, type Value } from '../graph.ts';
import { INT } from '../ir-type.ts';

/** Replaces lengths and items of lists and dicts that were just made and that nothing changes. */
export function simplifyLists(block: Block): boolean {
  const changed = new Set<Value>();
  collectChanged(block, changed);
  return simplifyBlock(block, changed);
}

function collectChanged(block: Block, changed: Set<Value>): void {
  for (const node of block.nodes) {
    for (const inner of node.blocks) collectChanged(inner, changed);
    // An operator that changes an argument changes its first one.
    const list = node.sideEffect ? node.inputs[0] : undefined;
    if (list?.type.kind === 'list' || list?.type.kind === 'dict') changed.add(resolve(list));
  }
}

function simplifyBlock(block: Block, changed: ReadonlySet<Value>): boolean {
  let any = false;
  const nodes: Node[] = [];
  for (const node of block.nodes) {
    node.inputs = node.inputs.map(resolve);
    for (const inner of node.blocks) any = simplifyBlock(inner, changed) || any;
    const list = node.inputs[0];
    const made = list === undefined || changed.has(list) ? undefined : list.node;
    const results = made === undefined ? undefined : simplifyNode(node, made, changed, nodes);
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

/** The values that replace the results of a node whose first argument comes from `made`. New nodes go into `before`. */
function simplifyNode(
  node: Node,
  made: Node,
  changed: ReadonlySet<Value>,
  before: Node[],
): readonly Value[] | undefined {
  const { kind, inputs: items } = made;
  if (kind !== 'prim::ListConstruct' && kind !== 'prim::DictConstruct') return undefined;
  const isList = kind === 'prim::ListConstruct';
  switch (node.kind) {
    case 'aten::len': {
      const constant = BigInt(isList ? items.length : items.length / 2);
      const length = createNode('prim::Constant', { constant, attributes: printConstant(constant), types: [INT] });
      before.push(length);
      return length.outputs;
    }
    case 'aten::__getitem__': {
      const key = node.inputs[1]?.node?.constant;
      const item = isList && typeof key === 'bigint' ? items.at(Number(key)) : undefined;
      return item === undefined ? undefined : [item];
    }
    case 'prim::ListUnpack':
      return isList && items.length === node.outputs.length ? items : undefined;
    case 'aten::add': {
      const [, list] = node.inputs;
      const other = list === undefined || changed.has(list) ? undefined : list.node;
      if (!isList || node.inputs.length !== 2 || other?.kind !== 'prim::ListConstruct') return undefined;
      const types = node.outputs.map(({ type }) => type);
      const joined = createNode('prim::ListConstruct', { inputs: [...items, ...other.inputs], types });
      before.push(joined);
      return joined.outputs;
    }
    default:
      return undefined;
  }
}
