import type { OnnxDim, OnnxGraph, OnnxModel, OnnxNode, OnnxTensor } from './model.ts';

/** Facts of a graph that help the batch proof to find the batch axis. */
export interface RowHints {
  /**
   * Sets of inputs that may carry the rows, the likeliest first: all inputs with a free axis 0, then the inputs whose
   * axis 0 has the same name as axis 0 of an output.
   */
  readonly inputs: readonly (readonly string[])[];
  /** Numbers of rows that constant shapes in the graph may require, the most frequent first. */
  readonly sizes: readonly number[];
}

const MAX_SIZES = 16;
const MAX_ROWS = 1024;

/** Operators that take a shape, with the position of that input. */
const SHAPE_INPUT: Readonly<Record<string, number>> = { Reshape: 1, Expand: 1, Tile: 1, ConstantOfShape: 0 };

/** Collects the hints about the batch axis of a model. */
export function rowHints(model: OnnxModel): RowHints {
  const { inputs, outputs } = model.graph;
  const weights = new Set(model.graph.initializers.map(({ name }) => name));
  const free = inputs.filter(({ name, shape }) => !weights.has(name) && isFree(shape?.[0]));
  // Two axes without a name are not necessarily the same axis, so only names count.
  const rows = new Set(outputs.map(({ shape }) => shape?.[0]).filter((size) => typeof size === 'string'));
  const ofRows = free.filter(({ shape }) => typeof shape?.[0] === 'string' && rows.has(shape[0]));
  const sets = [free, ofRows].map((set) => set.map(({ name }) => name));
  return { inputs: sets.filter((set) => set.length > 0), sizes: shapeSizes(model.graph) };
}

const isFree = (size: OnnxDim | undefined): boolean => size === null || typeof size === 'string';

/** First elements of the constant shapes in a graph, the most frequent first. */
function shapeSizes(graph: OnnxGraph): number[] {
  const counts = new Map<number, number>();
  const walk = (inner: OnnxGraph, outer: ReadonlyMap<string, number>): void => {
    const firsts = new Map(outer);
    const define = (name: string | undefined, first: number | undefined): void => {
      if (name !== undefined && first !== undefined) firsts.set(name, first);
    };
    for (const tensor of inner.initializers) define(tensor.name, firstElement(tensor));
    for (const node of inner.nodes) {
      const { opType, inputs, outputs, attributes } = node;
      if (opType === 'Constant') define(outputs[0], firstOfConstant(node));
      const size = firsts.get(inputs[SHAPE_INPUT[opType] ?? -1] ?? '');
      if (size !== undefined && size > 0 && size <= MAX_ROWS) counts.set(size, (counts.get(size) ?? 0) + 1);
      for (const attribute of Object.values(attributes)) if ('graph' in attribute) walk(attribute.graph, firsts);
    }
  };
  walk(graph, new Map());
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .slice(0, MAX_SIZES)
    .map(([size]) => size);
}

function firstOfConstant({ attributes: { value, value_ints: numbers } }: OnnxNode): number | undefined {
  if (value !== undefined && 'tensor' in value) return firstElement(value.tensor);
  const first = numbers !== undefined && 'ints' in numbers ? numbers.ints[0] : undefined;
  return first === undefined ? undefined : Number(first);
}

function firstElement({ datatype, data }: OnnxTensor): number | undefined {
  if (datatype !== 'INT64' || !(data instanceof Uint8Array) || data.byteLength < 8) return undefined;
  return Number(new DataView(data.buffer, data.byteOffset).getBigInt64(0, true));
}
