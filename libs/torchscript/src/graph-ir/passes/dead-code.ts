import { writeReplacements, type Block, type Graph, type Node, type Value } from '../graph.ts';

/** Removes unused nodes without side effects, and unused results of branches and loops. */
export function eliminateDeadCode(graph: Graph): void {
  writeReplacements(graph.block);
  const live = markLive(graph);
  new Sweeper(graph, live.nodes).sweep(graph.block);
}

interface Marks {
  readonly nodes: Set<Node>;
  readonly values: Set<Value>;
  readonly used: ReadonlyMap<Value, number>;
}

/** Marks needed nodes until no mark is added: a round of a loop may need a value from the round before. */
function markLive(graph: Graph): Marks {
  const marks: Marks = { nodes: new Set(), values: new Set(), used: countUses(graph.block) };
  for (let size = -1; size < marks.nodes.size + marks.values.size;) {
    size = marks.nodes.size + marks.values.size;
    markBlock(graph.block, undefined, marks);
  }
  return marks;
}

/** Returns whether the block contains a needed node. */
function markBlock(block: Block, owner: Node | undefined, marks: Marks): boolean {
  markResults(block, owner, marks);
  let any = false;
  for (let i = block.nodes.length - 1; i >= 0; i--) {
    const node = block.nodes[i] as Node;
    let needed = node.sideEffect || node.outputs.some((output) => marks.values.has(output));
    if (needed) mark(node, marks);
    for (const inner of node.blocks) needed = markBlock(inner, node, marks) || needed;
    if (!needed) continue;
    mark(node, marks);
    any = true;
  }
  return any;
}

function mark(node: Node, marks: Marks): void {
  marks.nodes.add(node);
  for (const input of node.inputs) marks.values.add(input);
}

/** A block's result is needed if the result of its node is needed. In a loop it is also needed if the next round uses it. */
function markResults(block: Block, owner: Node | undefined, marks: Marks): void {
  block.outputs.forEach((output, i) => {
    if (owner === undefined || isResultNeeded(block, owner, i, marks)) marks.values.add(output);
  });
}

function isResultNeeded(block: Block, owner: Node, i: number, { values, used }: Marks): boolean {
  if (owner.kind !== 'prim::Loop') return values.has(owner.outputs[i] as Value);
  return i === 0 || values.has(owner.outputs[i - 1] as Value) || used.has(block.params[i] as Value);
}

function countUses(block: Block, uses = new Map<Value, number>()): Map<Value, number> {
  for (const node of block.nodes) {
    for (const input of node.inputs) uses.set(input, (uses.get(input) ?? 0) + 1);
    for (const inner of node.blocks) countUses(inner, uses);
  }
  for (const output of block.outputs) uses.set(output, (uses.get(output) ?? 0) + 1);
  return uses;
}

class Sweeper {
  readonly #uses: Map<Value, number>;
  readonly #marked: ReadonlySet<Node>;

  constructor(graph: Graph, marked: ReadonlySet<Node>) {
    this.#uses = countUses(graph.block);
    this.#marked = marked;
  }

  sweep(block: Block): void {
    const kept: Node[] = [];
    for (let i = block.nodes.length - 1; i >= 0; i--) {
      const node = block.nodes[i] as Node;
      if (node.kind === 'prim::If') this.#dropBranchResults(node);
      else if (node.kind === 'prim::Loop') this.#dropLoopResults(node);
      for (const inner of node.blocks) this.sweep(inner);
      if (this.#marked.has(node) || node.outputs.some((output) => this.#isUsed(output))) kept.push(node);
      else this.#release(node);
    }
    block.nodes = kept.reverse();
  }

  #isUsed(value: Value): boolean {
    return (this.#uses.get(value) ?? 0) > 0;
  }

  #unuse(value: Value | undefined): void {
    if (value !== undefined) this.#uses.set(value, (this.#uses.get(value) ?? 0) - 1);
  }

  #release(node: Node): void {
    for (const input of node.inputs) this.#unuse(input);
    for (const block of node.blocks) {
      for (const output of block.outputs) this.#unuse(output);
      for (const inner of block.nodes) this.#release(inner);
    }
  }

  #dropBranchResults(node: Node): void {
    for (let i = node.outputs.length - 1; i >= 0; i--) {
      if (this.#isUsed(node.outputs[i] as Value)) continue;
      node.outputs.splice(i, 1);
      for (const block of node.blocks) this.#unuse(block.outputs.splice(i, 1)[0]);
    }
  }

  #dropLoopResults(node: Node): void {
    const [body] = node.blocks;
    if (body === undefined) return;
    for (let i = node.outputs.length - 1; i >= 0; i--) {
      if (this.#isUsed(node.outputs[i] as Value) || this.#isUsed(body.params[i + 1] as Value)) continue;
      node.outputs.splice(i, 1);
      body.params.splice(i + 1, 1);
      this.#unuse(node.inputs.splice(i + 2, 1)[0]);
      this.#unuse(body.outputs.splice(i + 1, 1)[0]);
    }
  }
}
