import { SconceError } from '@sconce/errors';
import { IR_VERSION, OPSET, type OnnxModel } from '@sconce/onnx';

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
import { withoutUnusedState } from './signature/unused-state.ts';
import { placeWeights } from './weights/place-weights.ts';
import { readSmallTensors } from './weights/small-tensors.ts';

/** Options of {@link compile}. */
export interface CompileOptions extends InputOptions {
  /** The method to compile. Default: `forward`. */
  readonly method?: string;
  /** File name by which the compiled model refers to the archive for its weights. Default: `model.pt`. */
  readonly archiveName?: string;
}

/** A compiled model: an ONNX graph whose large weights are ranges of the archive. */
export interface CompiledModel {
  readonly model: OnnxModel;
  readonly signature: CompiledSignature;
  /** Warnings: results that may differ from PyTorch's, and parts that were left out. */
  readonly warnings: readonly string[];
  /**
   * How often the executed code calls each PyTorch operator. Calls of functions and modules are inlined, and an unrolled loop counts
   * every round.
   */
  readonly operators: ReadonlyMap<string, number>;
  /** Batch sizes that the code may have fixed: a size that it gives to an axis 0 that had the size of an input's axis 0, with the line. */
  readonly fixedRows: readonly { readonly size: number; readonly source: string }[];
  /** The lines of the code that branch or loop on a value that is known only at run time. */
  readonly runtimeControl: readonly string[];
}

/** Largest number of executions that learn sizes which the model requires of its inputs. */
const MAX_ROUNDS = 4;

/**
 * Compiles a method of a TorchScript archive to ONNX (opset 21). The weights stay in the archive: the model refers to its ranges by
 * `archiveName`.
 *
 * @throws SconceError `model_invalid` if the model uses unsupported operators (the message names all of them, with the places in the
 * code), or if the inputs' ranks and types cannot be found (`details.inputs` names these inputs).
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
 * Compiles again after a failure, with every number that has a default fixed to it: a parameter such as `is_causal: bool = False`
 * chooses what the model does.
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
    execute({ archive, program, small }, { method, arguments: plan, inferring, onLearned });
  const planned = planInputs(methodParams(archive, program, method), archive.tracedInputs.get(method), options);
  const described =
    planned.open.length === 0
      ? planned.arguments
      : inferInputs(planned, (plan) => executeLearning(plan, (sized, onLearned) => run(sized, onLearned, true)));
  const { execution, plan } = executeLearning(described, run);
  const { emitter } = execution;
  const resolved = resolveSignature(execution, plan);
  const weights = await placeWeights(archive, emitter.weights, options.archiveName ?? 'model.pt');
  const built = emitter.root.build('model');
  const { graph, signature } = withoutUnusedState(
    { ...built, initializers: [...built.initializers, ...weights] },
    resolved,
  );
  const model: OnnxModel = {
    irVersion: IR_VERSION,
    opsets: { '': OPSET },
    producer: 'sconce',
    graph,
    metadata: await stateMetadata(archive, signature),
  };
  const fixedRows = [...emitter.fixedRows].map(([size, at]) => ({ size, source: describePosition(at) }));
  const runtimeControl = emitter.runtimeControl.map(describePosition);
  return { model, signature, warnings: [...emitter.warnings], operators: emitter.operators, fixedRows, runtimeControl };
}

/** Initial state up to this many bytes goes into the model's metadata. */
const MAX_STATE_BYTES = 1 << 16;

/**
 * Metadata for other programs that run the ONNX file: for each input that holds state, its first value and the output that gives its
 * next value.
 */
async function stateMetadata(
  archive: TorchScriptArchive,
  { state }: CompiledSignature,
): Promise<Record<string, string>> {
  if (state.length === 0) return {};
  const entries = [];
  for (const { input, output, dtype, shape, initial } of state) {
    const bytes = initial instanceof Uint8Array ? initial : await readTensor(archive, initial);
    const text = bytes.length > MAX_STATE_BYTES ? undefined : base64(bytes);
    entries.push({ input, output, dtype, shape, initial: text });
  }
  return { 'sconce.state': JSON.stringify(entries) };
}

const base64 = (bytes: Uint8Array): string => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));

/**
 * Executes until an execution learns nothing new about the inputs' sizes. Sizes that weights and guards require become part of the
 * signature. An execution that fails is repeated if it learned sizes.
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
