/** One input of a model: each row has `width` elements. */
export interface ModelInput {
  readonly name: string;
  readonly datatype: 'FP32' | 'INT32' | 'INT64';
  /** The shape of `rows` rows. */
  shape(rows: number): readonly number[];
  readonly width: number;
}

/** A model whose outputs a client can compute. Inputs and outputs are flat arrays, in the order of the signature. */
export interface KnownModel {
  readonly inputs: readonly ModelInput[];
  /** Largest number of rows of a request. */
  readonly maxRows: number;
  /** Inputs are drawn as whole numbers of this range. */
  readonly range: readonly [min: number, max: number];
  /** Largest relative error of an output. */
  readonly tolerance: number;
  /** The outputs that `version` has for these inputs. */
  outputs(inputs: readonly (readonly number[])[], version: number): number[][];
}

const rowsOf4: ModelInput = { name: 'x', datatype: 'FP32', width: 4, shape: (rows) => [rows, 4] };
const first = (inputs: readonly (readonly number[])[]): readonly number[] => inputs[0] ?? [];

/** The scale and the shift of a version of `line`: version 1 is `2x + 1`. */
export function lineOf(version: number): { readonly scale: number; readonly shift: number } {
  return { scale: version + 1, shift: version };
}

function softmaxOverRows(x: readonly number[]): number[] {
  return x.map((value, index) => {
    const column = x.filter((_, other) => other % 4 === index % 4);
    const highest = Math.max(...column);
    const sum = column.reduce((total, each) => total + Math.exp(each - highest), 0);
    return Math.exp(value - highest) / sum;
  });
}

/** The models that clients call. They are the fixture models; `line` is `affine` with another scale and shift in each version. */
export const MODELS = {
  affine: {
    inputs: [rowsOf4],
    maxRows: 3,
    range: [-1_000, 1_000],
    tolerance: 1e-6,
    outputs: (inputs) => [first(inputs).map((x) => 2 * x + 1)],
  },
  line: {
    inputs: [rowsOf4],
    maxRows: 3,
    range: [-1_000, 1_000],
    tolerance: 1e-6,
    outputs: (inputs, version) => {
      const { scale, shift } = lineOf(version);
      return [first(inputs).map((x) => scale * x + shift)];
    },
  },
  simple: {
    inputs: ['INPUT0', 'INPUT1'].map((name) => ({ name, datatype: 'INT32', width: 16, shape: () => [1, 16] })),
    maxRows: 1,
    range: [-1_000, 1_000],
    tolerance: 0,
    outputs: ([a = [], b = []]) => [a.map((x, i) => x + (b[i] ?? 0)), a.map((x, i) => x - (b[i] ?? 0))],
  },
  'row-mixing': {
    inputs: [rowsOf4],
    maxRows: 3,
    range: [-3, 3],
    tolerance: 1e-4,
    outputs: (inputs) => [softmaxOverRows(first(inputs))],
  },
  lookup: {
    inputs: [{ name: 'index', datatype: 'INT64', width: 1, shape: (rows) => [rows, 1] }],
    maxRows: 3,
    range: [0, 9],
    tolerance: 0,
    outputs: (inputs) => [first(inputs).flatMap((index) => [2 * index, 2 * index + 1])],
  },
  slow: {
    inputs: [{ name: 'steps', datatype: 'INT64', width: 1, shape: () => [1] }],
    maxRows: 1,
    range: [1, 1_500],
    tolerance: 1e-6,
    outputs: () => [[1]],
  },
} as const satisfies Record<string, KnownModel>;

export type ModelName = keyof typeof MODELS;

/** A model of the table by its name, as the general type. */
export function modelNamed(name: ModelName): KnownModel {
  return MODELS[name];
}

/** What is wrong with outputs of a model; undefined if they are right. */
export function wrongOutputs(
  model: ModelName,
  version: number,
  {
    inputs,
    outputs,
  }: { readonly inputs: readonly (readonly number[])[]; readonly outputs: readonly (readonly number[])[] },
): string | undefined {
  const { tolerance } = modelNamed(model);
  const expected = modelNamed(model).outputs(inputs, version);
  if (outputs.length !== expected.length) return `${outputs.length} outputs instead of ${expected.length}`;
  for (const [index, right] of expected.entries()) {
    const got = outputs[index] ?? [];
    if (got.length !== right.length) return `output ${index} has ${got.length} elements instead of ${right.length}`;
    const at = right.findIndex(
      (value, i) => !(Math.abs((got[i] ?? NaN) - value) <= tolerance * Math.max(1, Math.abs(value))),
    );
    if (at !== -1) return `element ${at} of output ${index} is ${got[at]} instead of ${right[at]}`;
  }
  return undefined;
}
