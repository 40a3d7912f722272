import type { ModelBatch, ModelConfig } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import { configSignature } from '@sconce/models';
import { proveBatchAxis, tensorDeviation, type BatchFinding } from '@sconce/runtime';
import { encodeSafetensors, type CallCase, type ModelSignature, type Tensor, type TensorSpec } from '@sconce/tensor';
import type { LoadedArtifact } from './load-artifact.ts';

/** What is known of a model once it has been run. */
export interface ProvedModel {
  /** As it is served: the batch axis is free where any number of rows may come. */
  readonly signature: ModelSignature;
  readonly batch: ModelBatch;
  /** Inputs on which it runs. */
  readonly call: readonly Tensor[];
}

/** Runs a model to prove its batch axis. @throws SconceError `model_invalid` where it does not run, or not as its config says. */
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

/** One session call; the outputs are the caller's own. */
export async function runAll(
  { session }: Pick<LoadedArtifact, 'session'>,
  inputs: readonly Tensor[],
): Promise<Tensor[]> {
  const names = session.signature.outputs.map(({ name }) => name);
  return (await session.run(inputs, names, new Map())).map((output) => ({ ...output, data: output.data.slice() }));
}

/** The session's signature with the sizes that the config gives to free axes. */
function narrow({ inputs, outputs }: ModelSignature, config: ModelConfig): ModelSignature {
  const said = configSignature(config);
  const narrowed = (own: readonly TensorSpec[], specs: readonly TensorSpec[] | undefined): TensorSpec[] =>
    own.map((spec) => {
      const sizes = specs?.find(({ name }) => name === spec.name)?.shape;
      return { ...spec, shape: spec.shape.map((size, axis) => (size === -1 ? (sizes?.[axis] ?? -1) : size)) };
    });
  return { inputs: narrowed(inputs, said.inputs), outputs: narrowed(outputs, said.outputs) };
}

function batchOf(found: BatchFinding, config: ModelConfig): ModelBatch {
  const { max_batch_size: most } = config;
  if (most === 0)
    return { axis: 'none', evidence: `the config says max_batch_size 0 (found: ${found.axis}, ${found.evidence})` };
  if (most !== undefined && found.axis === 'none') {
    throw new SconceError(
      'model_invalid',
      `the config says max_batch_size ${most}, but requests of this model may not share a run: ${found.evidence}. ` +
        `Leave max_batch_size out, or say 0, to serve each request alone`,
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
    ...(size === undefined ? {} : { size }),
    ...(source === undefined ? {} : { source }),
  };
}

/** Larger calls are not kept. */
const MAX_CHECK_BYTES = 32 * 1024 ** 2;
/** A model whose outputs differ by more from one run to the next is random: there is nothing to compare with. */
const MOST_DEVIATION = 1e-3;

/** A call with its outputs as a safetensors file; undefined where the model is random or takes what such a file cannot hold. */
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
