import { SconceError } from '@sconce/errors';
import { IR_VERSION, OPSET, pruneGraph, type OnnxModel } from '@sconce/onnx';

import { readTensor } from './archive/read-tensor.ts';
import type { TorchScriptArchive } from './archive/torchscript-archive.ts';
import { execute } from './execute.ts';
import { describePosition } from './frontend/position.ts';
import { Program } from './frontend/program.ts';
import { applySizes, inferInputs, type LearnedSizes } from './signature/learn-inputs.ts';
import { defaultsOf, methodParams } from './signature/inputs-of-call.ts';
import type { Execution } from './signature/execution.ts';
import { planInputs, type ArgumentPlan, type InputOptions } from './signature/plan-inputs.ts';
import { resolveSignature, type CompiledSignature } from './signature/resolve-signature.ts';
import { placeWeights } from './weights/place-weights.ts';
import { readSmallTensors } from './weights/small-tensors.ts';

/** What a caller may say about how a model is to be compiled. */
export interface CompileOptions extends InputOptions {
  /** The method to compile; `forward` unless said. */
  readonly method?: string;
  /** Name under which the compiled model refers to the archive for its weights; `model.pt` unless said. */
  readonly archiveName?: string;
}

/** A compiled model: an ONNX graph whose large weights are ranges of the archive. */
export interface CompiledModel {
  readonly model: OnnxModel;
  readonly signature: CompiledSignature;
  /** Remarks: what may differ from PyTorch, what was left out. */
  readonly warnings: readonly string[];
  /**
   * PyTorch's operators and how often compiling called each: once per call in the code, all calls of functions and modules
   * spread, loops as far as they were unrolled.
   */
  readonly operators: ReadonlyMap<string, number>;
  /** Batch sizes that the code may bake in: what it makes of an axis 0 that had the size of an input's, and the line that does. */
  readonly fixedRows: readonly { readonly size: number; readonly source: string }[];
  /** The lines of the code that branch or loop on what only a run knows. */
  readonly runtimeControl: readonly string[];
}

/** Rounds in which sizes the model demands are learned and put into its inputs. */
const MAX_ROUNDS = 4;

/**
 * Compiles a method of a TorchScript archive to ONNX (opset 21). The weights stay in the archive: the model refers to ranges of
 * it by `archiveName`.
 *
 * @throws SconceError `model_invalid` where the model uses what is not supported (all of it is named, with the places in its
 * code), or where the inputs' ranks and types cannot be told (`details.inputs` names them).
 */
export async function compile(archive: TorchScriptArchive, options: CompileOptions = {}): Promise<CompiledModel> {
  try {
    return await compileMethod(archive, options);
  } catch (thrown) {
    const compiled = await compileWithDefaults(archive, options, thrown);
    if (compiled !== undefined) return compiled;
    if (thrown instanceof SconceError) throw thrown;
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new SconceError('internal', `the compiler failed on this model: ${reason}; please report it`, {
      cause: thrown,
    });
  }
}

/**
 * A model that does not compile with its numbers as inputs, compiled with those that have defaults fixed at them: an
 * `is_causal: bool = False` decides what the model does rather than what it works on.
 */
async function compileWithDefaults(
  archive: TorchScriptArchive,
  options: CompileOptions,
  thrown: unknown,
): Promise<CompiledModel | undefined> {
  if (!(thrown instanceof SconceError) || thrown.code !== 'model_invalid' || options.given !== undefined)
    return undefined;
  const methods = new Program(archive.sources).findClass(archive.root.className)?.methods ?? [];
  const params = methods.find(({ name }) => name === (options.method ?? 'forward'))?.params ?? [];
  const defaults = defaultsOf(params).filter(([name]) => options.args?.has(name) !== true);
  if (defaults.length === 0) return undefined;
  const args = new Map([...(options.args ?? []), ...defaults]);
  const compiled = await compileMethod(archive, { ...options, args }).catch(() => undefined);
  if (compiled === undefined) return undefined;
  const fixed = defaults.map(([name, value]) => `${name} = ${String(value)}`).join(', ');
  return { ...compiled, warnings: [...compiled.warnings, `${fixed}: the model compiles only with its defaults fixed`] };
}

async function compileMethod(archive: TorchScriptArchive, options: CompileOptions): Promise<CompiledModel> {
  const method = options.method ?? 'forward';
  const program = new Program(archive.sources);
  const small = await readSmallTensors(archive);
  const run = (plan: readonly ArgumentPlan[], onLearned: (sizes: LearnedSizes) => void, inferring = false): Execution =>
    execute(archive, program, small, { method, arguments: plan, inferring, onLearned });
  const planned = planInputs(methodParams(archive, program, method), archive.tracedInputs.get(method), options);
  const described =
    planned.open.length === 0
      ? planned.arguments
      : inferInputs(planned, (plan) => executeLearning(plan, (sized, onLearned) => run(sized, onLearned, true)));
  const { execution, plan } = executeLearning(described, run);
  const { emitter } = execution;
  const signature = resolveSignature(execution, plan);
  const weights = await placeWeights(archive, emitter.weights, options.archiveName ?? 'model.pt');
  const graph = emitter.root.build('model');
  const model: OnnxModel = {
    irVersion: IR_VERSION,
    opsets: { '': OPSET },
    producer: 'sconce',
    graph: pruneGraph({ ...graph, initializers: [...graph.initializers, ...weights] }),
    metadata: await stateMetadata(archive, signature),
  };
  const fixedRows = [...emitter.fixedRows].map(([size, at]) => ({ size, source: describePosition(at) }));
  const runtimeControl = emitter.runtimeControl.map(describePosition);
  return { model, signature, warnings: [...emitter.warnings], operators: emitter.operators, fixedRows, runtimeControl };
}

/** Initial state up to this many bytes goes into the model's metadata. */
const MAX_STATE_BYTES = 1 << 16;

/** For whoever runs the ONNX file elsewhere: which input takes what which output gave in the call before, and what it takes first. */
async function stateMetadata(
  archive: TorchScriptArchive,
  { state }: CompiledSignature,
): Promise<Record<string, string>> {
  if (state.length === 0) return {};
  const entries = [];
  for (const { input, output, dtype, shape, initial } of state) {
    const bytes = initial instanceof Uint8Array ? initial : await readTensor(archive, initial);
    const text = bytes.length > MAX_STATE_BYTES ? {} : { initial: base64(bytes) };
    entries.push({ input, output, dtype, shape, ...text });
  }
  return { 'sconce.state': JSON.stringify(entries) };
}

const base64 = (bytes: Uint8Array): string => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));

/**
 * Executes until nothing new is learned about the inputs' sizes: what weights and guards demand is part of the signature. An
 * execution that fails because a size is not known is repeated with the sizes that it taught.
 */
function executeLearning(
  described: readonly ArgumentPlan[],
  run: (plan: readonly ArgumentPlan[], onLearned: (sizes: LearnedSizes) => void) => Execution,
): { readonly execution: Execution; readonly plan: readonly ArgumentPlan[] } {
  let plan = described;
  for (let round = 0; ; round++) {
    let learned: LearnedSizes = new Map();
    let execution: Execution | undefined;
    try {
      execution = run(plan, (sizes) => (learned = sizes));
    } catch (thrown) {
      if (learned.size === 0 || round === MAX_ROUNDS) throw thrown;
    }
    if (execution !== undefined && (learned.size === 0 || round === MAX_ROUNDS)) return { execution, plan };
    plan = applySizes(plan, learned);
  }
}
