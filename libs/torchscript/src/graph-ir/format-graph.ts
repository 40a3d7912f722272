import { originOf, positionOf } from '../frontend/position.ts';
import { modelError } from '../torchscript-error.ts';
import type { Block, Graph, Node, Value } from './graph.ts';
import { printType } from './ir-type.ts';

/**
 * A graph as PyTorch prints it, followed by the graphs of its forks. After `#` follows the place in the author's files, or in the
 * archive's code if the author's place is not recorded.
 */
export function formatGraph(graph: Graph): string {
  const subgraphs: Graph[] = [];
  const texts = [new Formatter(subgraphs).format(graph)];
  // Printing a graph may add others to the list.
  for (let i = 0; i < subgraphs.length; i++) {
    texts.push(`with prim::fork_${i} = ${new Formatter(subgraphs).format(subgraphs[i] as Graph)}`);
  }
  return texts.join('');
}

/** Largest number of characters of the text. A string cannot hold much more. */
const MAX_TEXT_CHARS = 2 ** 27;

class Formatter {
  #chars = 0;
  readonly #subgraphs: Graph[];
  readonly #names = new Map<Value, string>();
  /** How often each name was used so far. '' counts values without a name. */
  readonly #counts = new Map<string, number>();
  readonly #lines: string[] = [];

  constructor(subgraphs: Graph[]) {
    this.#subgraphs = subgraphs;
  }

  format({ block }: Graph): string {
    const params = block.params.map((param) => this.#declare(param)).join(',\n      ');
    this.#lines.push(`graph(${params}):`);
    this.#addNodes(block, '  ');
    this.#lines.push(`  return (${this.#list(block.outputs)})`);
    return `${this.#lines.join('\n')}\n`;
  }

  #addNodes(block: Block, indent: string): void {
    for (const node of block.nodes) this.#addNode(node, indent);
  }

  #addNode(node: Node, indent: string): void {
    const results = node.outputs.map((output) => this.#declare(output)).join(', ');
    const attributes = node.attributes === '' ? '' : `[${node.attributes}]`;
    const call = `${this.#kindOf(node)}${attributes}(${this.#list(node.inputs)})`;
    const line = `${indent}${results} = ${call}${commentOf(node)}`;
    this.#chars += line.length;
    if (this.#chars > MAX_TEXT_CHARS) {
      throw modelError('parse', `the graph has more than ${MAX_TEXT_CHARS} characters: too large to print`);
    }
    this.#lines.push(line);
    node.blocks.forEach((block, i) => {
      this.#lines.push(`${indent}  block${i}(${block.params.map((param) => this.#declare(param)).join(', ')}):`);
      this.#addNodes(block, `${indent}    `);
      this.#lines.push(`${indent}    -> (${this.#list(block.outputs)})`);
    });
  }

  #kindOf({ kind, subgraph }: Node): string {
    return subgraph === undefined ? kind : `${kind}_${this.#subgraphs.push(subgraph) - 1}`;
  }

  #declare(value: Value): string {
    return `%${this.#nameOf(value)} : ${printType(value.type)}`;
  }

  #list(values: readonly Value[]): string {
    return values.map((value) => `%${this.#nameOf(value)}`).join(', ');
  }

  /** The name of a value: `x.1`, `x.2`, … if the code calls it x, otherwise a number. */
  #nameOf(value: Value): string {
    let name = this.#names.get(value);
    if (name === undefined) {
      const base = value.name?.replace(/\W/g, '_') ?? '';
      const count = (this.#counts.get(base) ?? 0) + 1;
      this.#counts.set(base, count);
      name = base === '' ? String(count) : `${base}.${count}`;
      this.#names.set(value, name);
    }
    return name;
  }
}

/** The author's line if it is recorded, otherwise the line of the serialised code. */
function commentOf({ at }: Node): string {
  if (at === undefined) return '';
  const origin = originOf(at);
  if (origin !== undefined) return ` # ${origin.file}:${origin.line}:${origin.column ?? 0}`;
  const { path, line, column } = positionOf(at);
  return ` # ${path}:${line}:${column}`;
}
