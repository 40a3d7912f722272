import { basename, dirname } from 'node:path';
import { encodeModel } from '@sconce/onnx';
import { OnnxSession } from '@sconce/runtime';
import { bindCall, type InputSpec, type ModelCall, type Tensor } from '@sconce/tensor';
import { compileForCall, datatypeOf, readTensor, spreadLists, type CompiledModel } from '@sconce/torchscript';
import type { ModelFile, OnnxFile, TorchScriptFile } from './model-file.ts';
import { compileOptions, refuseModelOptions, type ModelOptions } from './model-options.ts';

/** A model that runs calls of one form. The owner must release it. */
export interface RunnableModel {
  readonly warnings: readonly string[];
  /** The outputs of a run as the cases of a model have them: lists of unknown length are spread in order, and strings are left out. */
  spread(outputs: readonly Tensor[]): readonly Tensor[];
  /**
   * Runs one call. Returns the outputs in order, with lists flattened.
   * @throws SconceError `invalid_tensor` for tensors that do not fit the model; `inference_failed` if the run failed.
   */
  run(call: ModelCall): Promise<Tensor[]>;
  release(): Promise<void>;
}

/** The tensors that a module keeps from call to call, by attribute path. */
export type ModuleState = Map<string, Tensor>;

/** How a model is prepared. */
export interface RunOptions extends ModelOptions {
  /** Runs read the module's state from here and write it back. Default: a new state. */
  readonly state?: ModuleState;
}

/** 0: all cores. */
const THREADS = { intraOpThreads: 0 };

/**
 * Prepares a model for calls of the form of `call`: a TorchScript model is compiled for the number, types and ranks of its
 * tensors. Runs read the module's state from `state` and write it back.
 *
 * @throws UsageError; SconceError `model_invalid`, `invalid_tensor`.
 */
export async function prepare(model: ModelFile, call: ModelCall, options: RunOptions): Promise<RunnableModel> {
  if (model.kind === 'onnx') {
    refuseModelOptions(options);
    return prepareOnnx(model);
  }
  return prepareTorchScript(model, call, options);
}

async function prepareOnnx({ path }: OnnxFile): Promise<RunnableModel> {
  const session = await OnnxSession.open(path, THREADS);
  const { inputs, outputs } = session.signature;
  return {
    warnings: [],
    spread: (results) => results,
    run: (call) =>
      session.run(
        bindCall(call, inputs),
        outputs.map(({ name }) => name),
        new Map(),
      ),
    release: () => session.release(),
  };
}

async function prepareTorchScript(
  model: TorchScriptFile,
  call: ModelCall,
  options: RunOptions,
): Promise<RunnableModel> {
  const { path } = model;
  const { state = new Map<string, Tensor>() } = options;
  const { compiled, reduce, fixed } = await compileForCall(model.archive, call, {
    ...compileOptions(model.archive, options),
    archiveName: basename(path),
  });
  const { signature } = compiled;
  const warnings =
    fixed.length === 0
      ? compiled.warnings
      : [...compiled.warnings, `${fixed.join(', ')}: the model compiles only if these numbers are fixed (--arg)`];
  await addInitialState(state, model, compiled);
  const session = await OnnxSession.open(
    { bytes: encodeModel(compiled.model), externalFolder: dirname(path) },
    THREADS,
  );
  const stateInputs = new Map(signature.state.map(({ input, output }) => [output, input]));
  const isState = new Set(stateInputs.values());
  const inputs = signature.inputs
    .filter(({ name }) => !isState.has(name))
    .map(({ name, dtype }): InputSpec => ({ name, datatype: datatypeOf(dtype) }));
  const outputs = signature.outputs.map(({ name }) => name);
  const taken = new Set(session.signature.inputs.map(({ name }) => name));
  return {
    warnings,
    spread: (results) => spreadLists(results, signature.lists),
    run: async (tensors) => {
      const kept = [...isState].flatMap((name) => state.get(name) ?? []);
      const feeds = [...bindCall(reduce(tensors), inputs), ...kept].filter(({ name }) => taken.has(name));
      const results = await session.run(feeds, outputs, new Map());
      return results.filter((result) => {
        const name = stateInputs.get(result.name);
        if (name === undefined) return true;
        state.set(name, { ...result, name, data: result.data.slice() });
        return false;
      });
    },
    release: () => session.release(),
  };
}

async function addInitialState(
  state: ModuleState,
  { archive }: TorchScriptFile,
  compiled: CompiledModel,
): Promise<void> {
  for (const { input, dtype, shape, initial } of compiled.signature.state) {
    if (state.has(input)) continue;
    const data = initial instanceof Uint8Array ? initial : await readTensor(archive, initial);
    state.set(input, { name: input, datatype: datatypeOf(dtype), shape, data });
  }
}
