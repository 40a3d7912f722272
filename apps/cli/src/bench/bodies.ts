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

/** The requests that a load generator sends. */
export interface BenchBodies {
  /** The first request, before encoding. */
  readonly first: InferCall;
  readonly bodies: readonly OipBody[];
  /** Rows per request; the mean if they differ. */
  readonly rows: number;
}

/** Number of different requests, sent in turn, so that no cache makes the figures better. Fewer if they are large. */
const MAX_BODIES = 16;
const MAX_TOTAL_BYTES = 32 * 1024 ** 2;

/** Whole numbers are often indices, and small indices exist in most vocabularies. */
const INTEGERS_BELOW = 10;

/**
 * Requests with random values: floats uniform in [0, 1), whole numbers from 0 to 9. `shapes` has full shapes by input name,
 * for inputs with free axes. @throws UsageError.
 */
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
      `Its inputs are: ${specs.map((spec) => spec.name).join(', ')}.`,
    );
  }
  const call = (): Tensor[] => specs.map((spec) => randomTensor(spec, shapeOf(spec, rows, shapes.get(spec.name))));
  const first = { inputs: call(), binary };
  const body = encodeInferRequest(first);
  const count = Math.max(1, Math.min(MAX_BODIES, Math.floor(MAX_TOTAL_BYTES / body.body.byteLength)));
  const more = Array.from({ length: count - 1 }, () => encodeInferRequest({ inputs: call(), binary }));
  return { first, bodies: [body, ...more], rows };
}

/** The calls of a safetensors file: one call, or all calls of a cases file (`k.in.i`). */
export async function bodiesOfFile(
  file: string,
  specs: readonly TensorSpec[],
  options: { readonly binary: boolean },
): Promise<BenchBodies> {
  // Loaded here: it needs the compiler, which loads slowly.
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

/** Parses `--shape x:1,3,224,224`. @throws UsageError. */
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
      'Give one size per axis, and keep the fixed sizes.',
    );
  }
  const sizes = shape.map((size, axis) => (size === -1 && axis === 0 ? rows : size));
  if (!sizes.includes(-1)) return sizes;
  const example = sizes.map((size) => (size === -1 ? 8 : size)).join(',');
  throw new UsageError(
    `Input "${name}" has free axes: [${shape.join(',')}].`,
    `Give their sizes, for example --shape ${name}:${example}, or send real inputs with --in FILE.`,
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
  throw new UsageError(
    `Input "${name}" takes strings, and random strings have no meaning.`,
    'Send real inputs with --in FILE.',
  );
}
