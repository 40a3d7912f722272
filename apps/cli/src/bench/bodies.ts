import {
  bindCall,
  callOf,
  casesOf,
  checkNames,
  decodeJsonData,
  elementCount,
  encodeInferRequest,
  type Datatype,
  type InferCall,
  type OipBody,
  type Tensor,
  type TensorSpec,
} from '@sconce/tensor';
import { UsageError } from '../output/failure.ts';

/** What a load generator sends. */
export interface BenchBodies {
  /** The first of them, not encoded. */
  readonly first: InferCall;
  readonly bodies: readonly OipBody[];
  /** Rows of a request: the mean where they differ. */
  readonly rows: number;
}

/** Different requests sent in turn, so that no cache of anybody's flatters the figures; fewer where they are large. */
const MAX_BODIES = 16;
const MAX_TOTAL_BYTES = 32 * 1024 ** 2;

/** Whole numbers are indices more often than not: small ones exist in most vocabularies. */
const INTEGERS_BELOW = 10;

/** Requests with random values: uniform in [0, 1), whole numbers from 0 to 9. `shapes`: whole ones by input, for free axes. */
export function randomBodies(
  specs: readonly TensorSpec[],
  options: {
    readonly rows: number;
    readonly shapes: ReadonlyMap<string, readonly number[]>;
    readonly binary: boolean;
  },
): BenchBodies {
  const { rows, shapes, binary } = options;
  for (const name of shapes.keys()) {
    if (specs.some((spec) => spec.name === name)) continue;
    throw new UsageError(
      `The model has no input "${name}".`,
      `Its inputs are ${specs.map((spec) => spec.name).join(', ')}.`,
    );
  }
  const call = (): Tensor[] => specs.map((spec) => randomTensor(spec, shapeOf(spec, rows, shapes.get(spec.name))));
  const first = { inputs: call(), binary };
  const body = encodeInferRequest(first);
  const count = Math.max(1, Math.min(MAX_BODIES, Math.floor(MAX_TOTAL_BYTES / body.body.byteLength)));
  const more = Array.from({ length: count - 1 }, () => encodeInferRequest({ inputs: call(), binary }));
  return { first, bodies: [body, ...more], rows };
}

/** The calls of a safetensors file: one, or each of a cases file (`k.in.i`). */
export async function bodiesOfFile(
  file: string,
  specs: readonly TensorSpec[],
  options: { readonly binary: boolean },
): Promise<BenchBodies> {
  // With it comes the compiler, which takes long to load.
  const { readTensors } = await import('../offline/tensor-file.ts');
  const tensors = await readTensors(file);
  const isCases = [...tensors.keys()].some((name) => /^\d+\.in\.\d+$/.test(name));
  const names = specs.map(({ name }) => name);
  const calls = isCases
    ? casesOf(tensors).map(({ inputs }) => ({ tensors: inputs, byName: false }))
    : [checkNames(callOf(tensors), names)];
  const bound = calls.map((call): InferCall => ({ inputs: bindCall(call, specs), binary: options.binary }));
  const rows = bound.reduce((sum, { inputs }) => sum + (inputs[0]?.shape[0] ?? 1), 0) / bound.length;
  const first = bound[0] ?? { inputs: [], binary: options.binary };
  return { first, bodies: bound.map((call) => encodeInferRequest(call)), rows };
}

/** `--shape x:1,3,224,224`. */
export function parseShape(text: string): readonly [string, readonly number[]] {
  const at = text.lastIndexOf(':');
  const sizes = text
    .slice(at + 1)
    .split(',')
    .map(Number);
  if (at < 1 || !sizes.every((size) => Number.isSafeInteger(size) && size >= 1)) {
    throw new UsageError(`--shape "${text}" cannot be read.`, 'Write it as name:sizes, for example x:1,3,224,224.');
  }
  return [text.slice(0, at), sizes];
}

function shapeOf(spec: TensorSpec, rows: number, given: readonly number[] | undefined): readonly number[] {
  const { name, shape } = spec;
  if (given !== undefined) {
    if (given.length === shape.length && shape.every((size, axis) => size === -1 || size === given[axis])) return given;
    throw new UsageError(
      `Input "${name}" takes shape [${shape.join(',')}], not [${given.join(',')}].`,
      'Give as many sizes as it has, and its own where they are fixed.',
    );
  }
  const sizes = shape.map((size, axis) => (size === -1 && axis === 0 ? rows : size));
  if (!sizes.includes(-1)) return sizes;
  const example = sizes.map((size) => (size === -1 ? 8 : size)).join(',');
  throw new UsageError(
    `Input "${name}" has free axes: [${shape.join(',')}].`,
    `Say their sizes, for example --shape ${name}:${example}, or send real inputs with --in FILE.`,
  );
}

function randomTensor({ name, datatype }: TensorSpec, shape: readonly number[]): Tensor {
  const values = Array.from({ length: elementCount(shape, name) }, randomElement(name, datatype));
  return decodeJsonData({ name, datatype, shape }, values);
}

function randomElement(name: string, datatype: Datatype): () => number | boolean {
  if (datatype === 'BOOL') return () => Math.random() < 0.5;
  if (datatype === 'FP16' || datatype === 'BF16' || datatype === 'FP32' || datatype === 'FP64') return Math.random;
  if (datatype !== 'BYTES') return () => Math.floor(Math.random() * INTEGERS_BELOW);
  throw new UsageError(`Input "${name}" takes strings, which cannot be made up.`, 'Send real inputs with --in FILE.');
}
