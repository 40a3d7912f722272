import type { OnnxAttribute, OnnxGraph, OnnxModel, OnnxNode } from './model.ts';

/** A node through which one element of an input can decide what happens to all others. */
export interface DataControl {
  readonly opType: string;
  readonly name: string;
  /** In words: `branches on`, `loops by`, `makes a shape from`. */
  readonly does: string;
}

/** Inputs of operators that say how large something is, by operator: the places of those inputs. */
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

/** Operators whose result has as many elements as the data say. */
const DATA_SIZED = new Set(['NonZero', 'Unique', 'Compress', 'NonMaxSuppression']);

/**
 * Nodes through which the data of `inputs` (not their shapes) decide about a whole run: conditions of If and Loop, and sizes.
 * In such a model the rows of a run may influence each other, though rows drawn at random never do.
 */
export function dataControl(model: OnnxModel, inputs: ReadonlySet<string>): DataControl[] {
  const walk = new Walk();
  walk.graph(model.graph, new Set(inputs));
  return walk.found;
}

class Walk {
  readonly found: DataControl[] = [];

  /** Adds to `data` every value of the graph that is computed from data. */
  graph(graph: OnnxGraph, data: Set<string>): void {
    for (const node of graph.nodes) this.#node(node, data);
  }

  #node(node: OnnxNode, data: Set<string>): void {
    const { opType, inputs, outputs } = node;
    // What only looks at shapes sees no data.
    if (opType === 'Shape' || opType === 'Size') return;
    if (opType === 'Loop') return this.#loop(node, data);
    if (opType === 'If') return this.#branch(node, data);
    const has = (name: string | undefined): boolean => name !== undefined && data.has(name);
    if (SHAPE_INPUTS[opType]?.some((place) => has(inputs[place])) === true) this.#add(node, 'makes a shape from');
    const isData = inputs.some(has);
    if (isData && DATA_SIZED.has(opType)) this.#add(node, 'picks by');
    const makesData = bodies(node).map((body) => this.#body(body, data, isData));
    if (isData || makesData.includes(true)) for (const name of outputs) mark(data, name);
  }

  /** A body of another operator (Scan); whether it makes data. It may take any of the node's inputs, and what it made before. */
  #body(body: OnnxGraph, data: ReadonlySet<string>, isData: boolean): boolean {
    const silent = new Walk();
    const within = new Set([...data, ...(isData ? body.inputs.map(({ name }) => name) : [])]);
    silent.graph(body, within);
    const makesData = body.outputs.some(({ name }) => within.has(name));
    if (makesData && !isData) return this.#body(body, data, true);
    this.found.push(...silent.found);
    return makesData;
  }

  #branch(node: OnnxNode, data: Set<string>): void {
    if (node.inputs.some((name) => data.has(name))) this.#add(node, 'branches on');
    const isData = node.inputs.some((name) => data.has(name));
    const inner = bodies(node).map((body) => {
      const within = new Set(data);
      this.graph(body, within);
      return body.outputs.map(({ name }) => within.has(name));
    });
    node.outputs.forEach((name, i) => {
      if (isData || inner.some((outputs) => outputs[i] === true)) mark(data, name);
    });
  }

  #loop(node: OnnxNode, data: Set<string>): void {
    const [count, first, ...carried] = node.inputs;
    const [body] = bodies(node);
    if (body === undefined) return;
    const isData = carried.map((name) => data.has(name));
    let go: boolean;
    let results: boolean[];
    // What a round makes data is data in the next.
    for (;;) {
      const within = new Set(data);
      carried.forEach((_, i) => {
        const name = body.inputs[i + 2]?.name;
        if (isData[i] === true && name !== undefined) within.add(name);
      });
      const silent = new Walk();
      silent.graph(body, within);
      [go = false, ...results] = body.outputs.map(({ name }) => within.has(name));
      const grown = results.slice(0, carried.length).some((result, i) => result && isData[i] !== true);
      if (!grown) {
        this.found.push(...silent.found);
        break;
      }
      results.slice(0, carried.length).forEach((result, i) => (isData[i] ||= result));
    }
    if (go || [count, first].some((name) => name !== undefined && data.has(name))) this.#add(node, 'loops by');
    node.outputs.forEach((name, i) => {
      if (results[i] === true || isData[i] === true) mark(data, name);
    });
  }

  #add({ opType, name }: OnnxNode, does: string): void {
    this.found.push({ opType, name, does });
  }
}

/** `''` is an output that is left out, and elsewhere an input that is. */
function mark(data: Set<string>, name: string): void {
  if (name !== '') data.add(name);
}

function bodies({ attributes }: OnnxNode): OnnxGraph[] {
  return Object.values(attributes).flatMap((attribute: OnnxAttribute) =>
    'graph' in attribute ? [attribute.graph] : [],
  );
}
