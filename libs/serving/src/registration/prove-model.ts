import type { ModelBatch, ModelConfig } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import { configSignature } from '@sconce/models';
import { proveBatchAxis, tensorDeviation, type BatchFinding } from '@sconce/runtime';
import { encodeSafetensors, type CallCase, type ModelSignature, type Tensor, type TensorSpec } from '@sconce/tensor';
import type { LoadedArtifact } from './load-artifact.ts';

/** The result of the proof. */
export interface ProvedModel {
  /** The signature for requests: the batch axis is free if any number of rows may come. */
  readonly signature: ModelSignature;
  readonly batch: ModelBatch;
  /** Inputs on which it runs. */
  readonly call: readonly Tensor[];
}

/** Runs a model to prove its batch axis. @throws SconceError `model_invalid` if it does not run, or contradicts its config. */
export async function proveModel(
  model: LoadedArtifact,
  config: ModelConfig,
  cases: readonly CallCase[],
): Promise<ProvedModel> {
  const narrowed = narrow(model.session.signature, config);
  const [first] = cases;
  const call = first && model.bind({ tensors: first.inputs, byName: false }, model.state);
  const found = await proveBatchAxis(
    { signature: narrowed, run: (inputs) => runAll(model, inputs) },
    { ...model.hints, examples: { ...model.hints.examples, call } },
  );
  const batch = batchOf(found, config);
  const rows = new Set(batch.inputs);
  const isBatched = batch.axis !== 'none';
  const free = (specs: readonly TensorSpec[], isRows: (name: string) => boolean): TensorSpec[] =>
    specs.map((spec) => (isBatched && isRows(spec.name) ? { ...spec, shape: [-1, ...spec.shape.slice(1)] } : spec));
  return {
    signature: { inputs: free(narrowed.inputs, (name) => rows.has(name)), outputs: free(narrowed.outputs, () => true) },
    batch,
    call: found.call,
  };
}

/** One session call. The outputs are copies. */
export async function runAll(
  { session }: Pick<LoadedArtifact, 'session'>,
  inputs: readonly Tensor[],
): Promise<Tensor[]> {
  const names = session.signature.outputs.map(({ name }) => name);
  return (await session.run(inputs, names, new Map())).map((output) => ({ ...output, data: output.data.slice() }));
}

/** The session's signature, with the config's sizes for free axes. */
function narrow({ inputs, outputs }: ModelSignature, config: ModelConfig): ModelSignature {
  const given = configSignature(config);
  const narrowed = (own: readonly TensorSpec[], specs: readonly TensorSpec[] | undefined): TensorSpec[] =>
    own.map((spec) => {
      const sizes = specs?.find(({ name }) => name === spec.name)?.shape;
      return { ...spec, shape: spec.shape.map((size, axis) => (size === -1 ? (sizes?.[axis] ?? -1) : size)) };
    });
  return { inputs: narrowed(inputs, given.inputs), outputs: narrowed(outputs, given.outputs) };
}

function batchOf(found: BatchFinding, config: ModelConfig): ModelBatch {
  const { max_batch_size: most } = config;
  if (most === 0)
    return { axis: 'none', evidence: `the config says max_batch_size 0 (found: ${found.axis}, ${found.evidence})` };
  if (most !== undefined && found.axis === 'none') {
    throw new SconceError(
      'model_invalid',
      `the config says max_batch_size ${most}, but requests of this model may not share a run: ${found.evidence}. ` +
        `Remove max_batch_size, or set it to 0, to run each request alone`,
      { details: { param: 'config.max_batch_size' } },
    );
  }
  const { axis, size, evidence, inputs, sizes, maxDeviation, source } = found;
  if (axis === 'none') return { axis, evidence };
  return {
    axis,
    evidence,
    inputs,
    sizes,
    max_deviation: maxDeviation,
    size,
    source,
  };
}

/** Larger check calls are not kept. */
const MAX_CHECK_BYTES = 32 * 1024 ** 2;
/** A model is random if its outputs differ by more from one run to the next. It gets no check call. */
const MOST_DEVIATION = 1e-3;

/** The check call as a safetensors file. undefined if the model is random or its tensors do not fit into such a file. */
export async function makeCheck(model: LoadedArtifact, call: readonly Tensor[]): Promise<Uint8Array | undefined> {
  const [outputs, again] = [await runAll(model, call), await runAll(model, call)];
  const tensors = [
    ...call.map((tensor, i) => ({ ...tensor, name: `0.in.${i}` })),
    ...outputs.map((tensor, i) => ({ ...tensor, name: `0.out.${i}` })),
  ];
  const bytes = tensors.reduce((sum, { data }) => sum + data.byteLength, 0);
  const isRandom = outputs.some((output, i) => tensorDeviation(again[i] ?? output, output) > MOST_DEVIATION);
  if (isRandom || bytes > MAX_CHECK_BYTES || tensors.some(({ datatype }) => datatype === 'BYTES')) return undefined;
  return encodeSafetensors(tensors);
}
