import type { Block, Graph, Node, Value } from '../graph.ts';

/** A user of values: a node, or the end of a block. `order` is its place in the printed graph. */
interface User {
  readonly order: number;
  readonly inputs: () => readonly Value[];
}

/** Sorts the results of branches and loops by their first use. */
export function canonicalizeOutputs(graph: Graph): void {
  const users = new Map<Value, Set<User>>();
  collectUsers(graph.block, users, { next: 0 });
  canonicalizeBlock(graph.block, users);
}

function collectUsers(block: Block, users: Map<Value, Set<User>>, counter: { next: number }): void {
  const add = (inputs: () => readonly Value[]): void => {
    const user: User = { order: counter.next++, inputs };
    for (const value of inputs()) {
      const known = users.get(value);
      if (known === undefined) users.set(value, new Set([user]));
      else known.add(user);
    }
  };
  for (const node of block.nodes) {
    add(() => node.inputs);
    for (const inner of node.blocks) collectUsers(inner, users, counter);
  }
  add(() => block.outputs);
}

/** Runs from the end, because the order of a node's results depends on the nodes after it. */
function canonicalizeBlock(block: Block, users: ReadonlyMap<Value, ReadonlySet<User>>): void {
  for (let i = block.nodes.length - 1; i >= 0; i--) {
    const node = block.nodes[i] as Node;
    if (node.outputs.length > 1 && node.kind === 'prim::If') permuteIf(node, usageOrder(node.outputs, users));
    if (node.outputs.length > 1 && node.kind === 'prim::Loop') permuteLoop(node, usageOrder(node.outputs, users));
    for (const inner of node.blocks) canonicalizeBlock(inner, users);
  }
}

/** Indices of values by first use. Unused values come last, in their old order. */
function usageOrder(values: readonly Value[], users: ReadonlyMap<Value, ReadonlySet<User>>): readonly number[] {
  const uses = values.map((value) => {
    const places = [...(users.get(value) ?? [])].map((user) => [user.order, user.inputs().indexOf(value)] as const);
    return places.sort(([a, i], [b, j]) => a - b || i - j)[0] ?? ([Infinity, 0] as const);
  });
  return values
    .map((_, index) => index)
    .sort((a, b) => {
      const [first = Infinity, i = 0] = uses[a] ?? [];
      const [second = Infinity, j = 0] = uses[b] ?? [];
      return first === second ? i - j || a - b : first - second;
    });
}

function permute<T>(items: readonly T[], order: readonly number[], from = 0): T[] {
  return [...items.slice(0, from), ...order.map((index) => items[from + index] as T)];
}

function permuteIf(node: Node, order: readonly number[]): void {
  node.outputs = permute(node.outputs, order);
  for (const block of node.blocks) block.outputs = permute(block.outputs, order);
}

function permuteLoop(node: Node, order: readonly number[]): void {
  node.outputs = permute(node.outputs, order);
  node.inputs = permute(node.inputs, order, 2);
  for (const block of node.blocks) {
    block.params = permute(block.params, order, 1);
    block.outputs = permute(block.outputs, order, 1);
  }
}
