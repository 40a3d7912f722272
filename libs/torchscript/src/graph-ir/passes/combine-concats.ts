import { createNode, replaceValue, type Block, type Node, type Value } from '../graph.ts';

/** If the only use of a concatenation is as an item of another one along the same axis, makes one concatenation of both. */
export function combineConcats(block: Block): boolean {
  const users = new Map<Value, Node[]>();
  collectUsers(block, users);
  const combined = new Map<Node, readonly Value[]>();
  collectCombined(block, users, combined);
  if (combined.size > 0) replaceLists(block, combined);
  return combined.size > 0;
}

function collectUsers(block: Block, users: Map<Value, Node[]>): void {
  for (const node of block.nodes) {
    for (const input of node.inputs) {
      const known = users.get(input);
      if (known === undefined) users.set(input, [node]);
      else known.push(node);
    }
    for (const inner of node.blocks) {
      collectUsers(inner, users);
      // A block's result is a use that cannot be replaced.
      for (const output of inner.outputs) users.set(output, []);
    }
  }
  for (const output of block.outputs) users.set(output, []);
}

/** The items of each outer concatenation, with the items of the inner one. As in PyTorch, only the first of several inner ones. */
function collectCombined(
  block: Block,
  users: ReadonlyMap<Value, readonly Node[]>,
  combined: Map<Node, readonly Value[]>,
): void {
  for (const node of block.nodes) {
    const outer = outerConcat(node, users);
    const items = combined.get(node) ?? itemsOf(node);
    if (outer !== undefined && items !== undefined && !combined.has(outer)) {
      const all = itemsOf(outer) ?? [];
      combined.set(
        outer,
        all.flatMap((item) => (item === node.outputs[0] ? items : [item])),
      );
      combined.delete(node);
    }
    for (const inner of node.blocks) collectCombined(inner, users, combined);
  }
}

function outerConcat(node: Node, users: ReadonlyMap<Value, readonly Node[]>): Node | undefined {
  if (itemsOf(node) === undefined) return undefined;
  const list = onlyUser(node, users);
  const outer = list?.kind === 'prim::ListConstruct' ? onlyUser(list, users) : undefined;
  const axis = node.inputs[1]?.node?.constant;
  if (outer?.kind !== 'aten::cat' || typeof axis !== 'bigint') return undefined;
  return outer.inputs[1]?.node?.constant === axis ? outer : undefined;
}

function onlyUser({ outputs }: Node, users: ReadonlyMap<Value, readonly Node[]>): Node | undefined {
  const found = outputs.flatMap((output) => users.get(output) ?? []);
  return found.length === 1 ? found[0] : undefined;
}

/** The items that a node concatenates, if it is the only user of their list. */
function itemsOf({ kind, inputs }: Node): readonly Value[] | undefined {
  const list = inputs[0]?.node;
  return kind === 'aten::cat' && list?.kind === 'prim::ListConstruct' ? list.inputs : undefined;
}

function replaceLists(block: Block, combined: ReadonlyMap<Node, readonly Value[]>): void {
  const nodes: Node[] = [];
  for (const node of block.nodes) {
    for (const inner of node.blocks) replaceLists(inner, combined);
    const items = combined.get(node);
    const [list] = node.inputs;
    if (items !== undefined && list !== undefined) {
      const joined = createNode('prim::ListConstruct', { inputs: items, types: [list.type] });
      nodes.push(joined);
      for (const output of joined.outputs) replaceValue(list, output);
    }
    nodes.push(node);
  }
  block.nodes = nodes;
}
