import type { OnnxAttribute, OnnxGraph, OnnxModel, OnnxNode, OnnxTensor } from './model.ts';

/** A node through which one element of an input can change the results of all other elements. */
export interface DataDependentNode {
  readonly opType: string;
  readonly name: string;
  /** What the node does with the data, for messages: `branches on`, `loops by`, `makes a shape from`, `picks by`. */
  readonly does: string;
  /** Of a Loop: data alone decide how many rounds it makes. No count that comes from shapes or constants bounds them. */
  readonly isOpenEnded?: true;
}

/** For operators with inputs that determine the size of the result: the positions of those inputs. */
const SHAPE_INPUTS: Readonly<Record<string, readonly number[]>> = {
  Reshape: [1],
  Expand: [1],
  Tile: [1],
  ConstantOfShape: [0],
  Range: [0, 1, 2],
  Slice: [1, 2, 4],
  Resize: [2, 3],
  Pad: [1],
  TopK: [1],
  Split: [1],
  OneHot: [1],
};

/** Operators whose number of results depends on the values of their inputs. */
const DATA_SIZED = new Set(['NonZero', 'Unique', 'Compress', 'NonMaxSuppression']);

/**
 * Finds the nodes through which the data of `inputs` (not their shapes) influence a whole run: conditions of If and
 * Loop, and sizes. In such a model the rows of a run may influence each other, even if random rows never do.
 */
export function findDataDependentNodes(model: OnnxModel, inputs: ReadonlySet<string>): DataDependentNode[] {
  const walk = new DataFlowWalk();
  walk.graph(model.graph, new Set(inputs));
  return walk.found;
}

/** A constant count above this one stands for none. */
const MOST_ROUNDS = 2 ** 31;

/** Follows the values that are computed from data through a graph and the bodies in it. */
class DataFlowWalk {
  readonly found: DataDependentNode[] = [];
  /** Constants above `MOST_ROUNDS`, of this graph and of those around it. */
  readonly #huge: Set<string>;

  constructor(huge: ReadonlySet<string> = new Set()) {
    this.#huge = new Set(huge);
  }

  /** Adds to `data` the names of all values of the graph that are computed from data. */
  graph(graph: OnnxGraph, data: Set<string>): void {
    for (const { name, ...tensor } of graph.initializers) if (isHuge(tensor)) this.#huge.add(name);
    for (const node of graph.nodes) this.#node(node, data);
  }

  #node(node: OnnxNode, data: Set<string>): void {
    const { opType, inputs, outputs } = node;
    // These operators read shapes only, so their results do not depend on data.
    if (opType === 'Shape' || opType === 'Size') return;
    const { value } = node.attributes;
    if (opType === 'Constant' && value !== undefined && 'tensor' in value && isHuge(value.tensor)) {
      for (const name of outputs) this.#huge.add(name);
    }
    if (opType === 'Loop') return this.#loop(node, data);
    if (opType === 'If') return this.#branch(node, data);
    const has = (name: string | undefined): boolean => name !== undefined && data.has(name);
    if (SHAPE_INPUTS[opType]?.some((position) => has(inputs[position])) === true) this.#add(node, 'makes a shape from');
    const isData = inputs.some(has);
    if (isData && DATA_SIZED.has(opType)) this.#add(node, 'picks by');
    const bodyReturnsData = bodies(node).map((body) => this.#body(body, data, isData));
    if (isData || bodyReturnsData.includes(true)) for (const name of outputs) addName(data, name);
  }

  /**
   * Walks a body of another operator (Scan). The result tells whether an output of the body depends on data. Any input
   * of the body may be any input of the node, or a value that an earlier round returned.
   */
  #body(body: OnnxGraph, data: ReadonlySet<string>, isData: boolean): boolean {
    const bodyWalk = new DataFlowWalk(this.#huge);
    const within = new Set([...data, ...(isData ? body.inputs.map(({ name }) => name) : [])]);
    bodyWalk.graph(body, within);
    const returnsData = body.outputs.some(({ name }) => within.has(name));
    if (returnsData && !isData) return this.#body(body, data, true);
    this.found.push(...bodyWalk.found);
    return returnsData;
  }

  #branch(node: OnnxNode, data: Set<string>): void {
    const isData = node.inputs.some((name) => data.has(name));
    if (isData) this.#add(node, 'branches on');
    const dataOutputs = bodies(node).map((body) => {
      const within = new Set(data);
      this.graph(body, within);
      return body.outputs.map(({ name }) => within.has(name));
    });
    node.outputs.forEach((name, i) => {
      if (isData || dataOutputs.some((outputs) => outputs[i] === true)) addName(data, name);
    });
  }

  #loop(node: OnnxNode, data: Set<string>): void {
    const [count, first, ...carried] = node.inputs;
    const [body] = bodies(node);
    if (body === undefined) return;
    const isData = carried.map((name) => data.has(name));
    let goOnIsData: boolean;
    let results: boolean[];
    // A value that becomes data in one round is data in the next, so the walk repeats until nothing is added.
    for (;;) {
      const within = new Set(data);
      carried.forEach((_, i) => {
        const name = body.inputs[i + 2]?.name;
        if (isData[i] === true && name !== undefined) within.add(name);
      });
      const bodyWalk = new DataFlowWalk(this.#huge);
      bodyWalk.graph(body, within);
      [goOnIsData = false, ...results] = body.outputs.map(({ name }) => within.has(name));
      const grown = results.slice(0, carried.length).some((result, i) => result && isData[i] !== true);
      if (!grown) {
        this.found.push(...bodyWalk.found);
        break;
      }
      results.slice(0, carried.length).forEach((result, i) => (isData[i] ||= result));
    }
    const countIsData = count !== undefined && data.has(count);
    if (goOnIsData || countIsData || (first !== undefined && data.has(first))) {
      const hasCount = count !== undefined && count !== '' && !countIsData && !this.#huge.has(count);
      this.#add(node, 'loops by', hasCount ? {} : { isOpenEnded: true });
    }
    node.outputs.forEach((name, i) => {
      if (results[i] === true || isData[i] === true) addName(data, name);
    });
  }

  #add({ opType, name }: OnnxNode, does: string, more: Pick<DataDependentNode, 'isOpenEnded'> = {}): void {
    this.found.push({ opType, name, does, ...more });
  }
}

/** Adds a name unless it is `''`: as an output `''` means "not wanted", and as an input "not given". */
function addName(data: Set<string>, name: string): void {
  if (name !== '') data.add(name);
}

function bodies({ attributes }: OnnxNode): OnnxGraph[] {
  return Object.values(attributes).flatMap((attribute: OnnxAttribute) =>
    'graph' in attribute ? [attribute.graph] : [],
  );
}

/** Whether a tensor is a count of rounds that no run makes. */
function isHuge({ datatype, data }: Pick<OnnxTensor, 'datatype' | 'data'>): boolean {
  if (datatype !== 'INT64' || !(data instanceof Uint8Array) || data.byteLength !== 8) return false;
  return new DataView(data.buffer, data.byteOffset).getBigInt64(0, true) > MOST_ROUNDS;
}
