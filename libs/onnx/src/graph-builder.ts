import { SconceError } from '@sconce/errors';

import type { OnnxAttribute, OnnxGraph, OnnxNode, OnnxTensor, ValueInfo } from './model.ts';

/** Options of {@link GraphBuilder.node}. */
export interface NodeOptions {
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>;
  readonly domain?: string;
  /** Number of outputs. Default: 1. */
  readonly outputs?: number;
  /** The start of the outputs' names. Default: the operator's name in lower case. */
  readonly hint?: string;
  /** The outputs' exact names. Each must come from {@link GraphBuilder.uniqueName}. */
  readonly names?: readonly string[];
}

/**
 * Builds one graph. {@link GraphBuilder.subgraph} gives builders for the bodies of its If and Loop nodes.
 *
 * Value names are unique over the whole tree of graphs, because a body sees the values of its outer graphs. Nodes keep
 * the order in which they are added, and a node may only use values that exist when it is added.
 */
export class GraphBuilder {
  readonly parent: GraphBuilder | undefined;
  readonly #names: Map<string, number>;
  readonly #nodes: OnnxNode[] = [];
  readonly #initializers: OnnxTensor[] = [];
  readonly #inputs: ValueInfo[] = [];
  readonly #outputs: ValueInfo[] = [];

  constructor(parent?: GraphBuilder) {
    this.parent = parent;
    this.#names = parent === undefined ? new Map() : parent.#names;
  }

  /** A name that is not taken: `hint` itself (`value` if it is empty), or `hint` with a number after it. */
  uniqueName(hint: string): string {
    // In ONNX an empty name means that the value is left out.
    const wanted = hint === '' ? 'value' : hint;
    const taken = this.#names.get(wanted);
    if (taken === undefined) {
      this.#names.set(wanted, 0);
      return wanted;
    }
    let next = taken + 1;
    while (this.#names.has(`${wanted}_${next}`)) next++;
    this.#names.set(wanted, next);
    this.#names.set(`${wanted}_${next}`, 0);
    return `${wanted}_${next}`;
  }

  /** Adds a node and returns the names of its outputs. `''` among the inputs leaves an optional input out. */
  nodes(opType: string, inputs: readonly string[], options: NodeOptions = {}): string[] {
    const hint = options.hint ?? opType.toLowerCase();
    const outputs = options.names ?? Array.from({ length: options.outputs ?? 1 }, () => this.uniqueName(hint));
    let used = inputs.length;
    while (used > 0 && inputs[used - 1] === '') used--;
    this.#nodes.push({
      opType,
      domain: options.domain ?? '',
      name: `${opType}:${outputs[0] ?? ''}`,
      inputs: inputs.slice(0, used),
      outputs,
      attributes: options.attributes ?? {},
    });
    return [...outputs];
  }

  /** Adds a node with one output and returns the name of that output. */
  node(opType: string, inputs: readonly string[], options: Omit<NodeOptions, 'outputs'> = {}): string {
    const [output] = this.nodes(opType, inputs, options);
    if (output === undefined) throw new SconceError('internal', `node ${opType} was built without an output`);
    return output;
  }

  /** Adds a constant to this graph. Returns its name: `tensor.name`, made unique. */
  initializer(tensor: OnnxTensor): string {
    const name = this.uniqueName(tensor.name);
    this.#initializers.push({ ...tensor, name });
    return name;
  }

  /** Adds an input under exactly this name. @throws SconceError `internal` if the name is taken. */
  input(info: ValueInfo): string {
    if (this.#names.has(info.name)) throw new SconceError('internal', `graph value ${info.name} exists already`);
    this.#names.set(info.name, 0);
    this.#inputs.push(info);
    return info.name;
  }

  /** Adds an input to the graph of a body. Returns its name: `hint`, made unique. */
  bodyInput(hint: string, type: Omit<ValueInfo, 'name'>): string {
    const name = this.uniqueName(hint);
    this.#inputs.push({ ...type, name });
    return name;
  }

  /** Declares an existing value an output. */
  output(info: ValueInfo): void {
    this.#outputs.push(info);
  }

  /** A builder for the body of an If or Loop node of this graph. */
  subgraph(): GraphBuilder {
    return new GraphBuilder(this);
  }

  /** A copy of the graph as it is now. */
  build(name: string): OnnxGraph {
    return {
      name,
      inputs: [...this.#inputs],
      outputs: [...this.#outputs],
      initializers: [...this.#initializers],
      nodes: [...this.#nodes],
    };
  }
}
