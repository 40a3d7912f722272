import { readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { ModelConfig } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import { configSignature } from '@sconce/models';
import { findDataDependentNodes, decodeModel, encodeModel, rowHints, type OnnxModel } from '@sconce/onnx';
import { OnnxSession, type BatchHints, type ModelSource } from '@sconce/runtime';
import { openFile } from '@sconce/storage';
import { withConfigWords } from './config-words.ts';
import { bindCall, type CallCase, type InputSpec, type ModelCall, type Tensor, type TensorSpec } from '@sconce/tensor';
import {
  Program,
  compile,
  compileForCall,
  datatypeOf,
  methodParams,
  openArchive,
  readTensor,
  scalarTypeOf,
  type CompileOptions,
  type CompiledModel,
  type OutputList,
  type TensorInput,
  type TorchScriptArchive,
} from '@sconce/torchscript';

/** A model that is opened for the proof. */
export interface LoadedArtifact {
  readonly source: ModelSource;
  readonly session: OnnxSession;
  readonly warnings: readonly string[];
  readonly hints: BatchHints;
  /** A loop ends when values of the inputs say so: sizes do not bound the time of a run. */
  readonly unbounded: boolean;
  /** The ONNX graph of a TorchScript artifact. */
  readonly graph?: Uint8Array;
  /** Makes the session's inputs from a call's tensors and from `state`. */
  bind(call: ModelCall, state: ReadonlyMap<string, Tensor>): readonly Tensor[];
  /** The state before the first call, by input. */
  readonly state: ReadonlyMap<string, Tensor>;
  /** State outputs, each with the input that takes it in the next call. */
  readonly stateInputs: ReadonlyMap<string, string>;
  /** The outputs that together hold a list whose length is known only at run time. */
  readonly lists: readonly OutputList[];
}

const THREADS = { intraOpThreads: 1 };

/** A pushed artifact. */
export interface Artifact {
  readonly path: string;
  readonly format: 'onnx' | 'torchscript';
}

/**
 * Opens an artifact and checks it against its config. A TorchScript archive is compiled; if there are cases, for the types and ranks of
 * their first call.
 * @throws SconceError `model_invalid`, `invalid_request` (config or cases that do not fit the model).
 */
export async function loadArtifact(
  artifact: Artifact,
  config: ModelConfig,
  cases: readonly CallCase[],
): Promise<LoadedArtifact> {
  const loaded =
    artifact.format === 'onnx'
      ? await loadOnnx(artifact.path, config)
      : await loadTorchScript(artifact.path, config, cases);
  try {
    checkSignature(loaded.session, config);
    return loaded;
  } catch (error) {
    await loaded.session.release();
    throw error;
  }
}

async function loadOnnx(path: string, config: ModelConfig): Promise<LoadedArtifact> {
  const unused = (['method', 'arguments'] as const).find((field) => config[field] !== undefined);
  if (unused !== undefined)
    throw configError(
      unused,
      'is for TorchScript files: remove it, because an ONNX file has no methods and arguments to choose',
    );
  const session = await OnnxSession.open(path, THREADS);
  const { inputs } = session.signature;
  const graph = await readGraph(path);
  return {
    source: path,
    session,
    warnings: [],
    hints: hintsOf(graph),
    unbounded: isUnbounded(graph),
    bind: (call) => bindCall(call, inputs),
    state: new Map(),
    stateInputs: new Map(),
    lists: [],
  };
}

/** The graph, or undefined if it cannot be decoded. Only the runtime decides whether it can run the graph. */
async function readGraph(path: string): Promise<OnnxModel | undefined> {
  try {
    return decodeModel(await readFile(path));
  } catch {
    return undefined;
  }
}

async function loadTorchScript(path: string, config: ModelConfig, cases: readonly CallCase[]): Promise<LoadedArtifact> {
  await using file = await openFile(path);
  const archive = await openArchive(file);
  const options = { ...compileOptions(archive, config), archiveName: basename(path) };
  const [first] = cases;
  const { compiled, reduce, fixed } = await withConfigWords(async () =>
    first === undefined
      ? { compiled: await compile(archive, options), reduce: (call: ModelCall) => call, fixed: [] }
      : compileForCall(archive, { tensors: first.inputs, byName: false }, options),
  );
  const graph = encodeModel(compiled.model);
  const source = { bytes: graph, externalFolder: dirname(path) };
  const session = await OnnxSession.open(source, THREADS);
  const { signature } = compiled;
  const stateNames = new Set(signature.state.map(({ input }) => input));
  const open: readonly InputSpec[] = signature.inputs
    .filter(({ name }) => !stateNames.has(name))
    .map(({ name, dtype }) => ({ name, datatype: datatypeOf(dtype) }));
  const taken = session.signature.inputs.map(({ name }) => name);
  return {
    source,
    session,
    graph,
    warnings:
      fixed.length === 0
        ? compiled.warnings
        : [...compiled.warnings, `${fixed.join(', ')}: the model compiles only with these numbers fixed ("arguments")`],
    hints: {
      ...hintsOf(compiled.model, compiled),
      examples: { shapes: exampleShapes(archive, config, open) },
    },
    unbounded: isUnbounded(compiled.model),
    bind: (call, state) => {
      const bound = new Map(
        [...bindCall(reduce(call), open), ...state.values()].map((tensor) => [tensor.name, tensor]),
      );
      // The session has no inputs that no node reads.
      return taken.flatMap((name) => bound.get(name) ?? []);
    },
    state: await initialState(archive, compiled),
    stateInputs: new Map(signature.state.map(({ input, output }) => [output, input])),
    lists: signature.lists,
  };
}

function compileOptions(archive: TorchScriptArchive, config: ModelConfig): CompileOptions {
  const { method } = config;
  const params = methodParams(archive, new Program(archive.sources), method ?? 'forward');
  const inputs = new Map<string, TensorInput>();
  for (const { name, datatype, shape } of configSignature(config).inputs ?? []) {
    if (!params.some((param) => name === param.name || name.startsWith(`${param.name}.`))) {
      throw configError('input', `names "${name}", which the model does not have: it takes ${namesOf(params)}`);
    }
    inputs.set(name, { dtype: scalarTypeOf(datatype), shape: shape.map((size) => (size === -1 ? null : size)) });
  }
  const args = new Map<string, null | boolean | bigint | number | string>();
  for (const [name, value] of Object.entries(config.arguments ?? {})) {
    const param = params.find((one) => one.name === name);
    if (param === undefined)
      throw configError('arguments', `names "${name}", which the model does not have: it takes ${namesOf(params)}`);
    const isOptional = param.type?.name === 'Optional';
    const type = isOptional ? param.type.args[0]?.name : param.type?.name;
    if (!isOfType(value, type ?? 'Tensor') && !(value === null && isOptional)) {
      const given = `gives ${JSON.stringify(value)} for "${name}", which takes ${isOptional ? 'None or ' : ''}`;
      throw configError('arguments', `${given}${TYPE_TEXT[type ?? 'Tensor'] ?? type}`);
    }
    args.set(name, typeof value === 'number' && type === 'int' ? BigInt(value) : value);
  }
  return { inputs, args, method };
}

type ArgumentValue = NonNullable<ModelConfig['arguments']>[string];

/** Names of the parameter types that are checked here. The compiler checks the others. */
const TYPE_TEXT: Readonly<Record<string, string>> = {
  int: 'an integer',
  float: 'a number',
  bool: 'true or false',
  str: 'a text',
  Tensor: 'a tensor: it is sent with each request and described in "input"',
};

function isOfType(value: ArgumentValue, type: string): boolean {
  switch (type) {
    case 'int':
      return Number.isInteger(value);
    case 'float':
      return typeof value === 'number';
    case 'bool':
      return typeof value === 'boolean';
    case 'str':
      return typeof value === 'string';
    default:
      return type !== 'Tensor';
  }
}

const namesOf = (params: readonly { readonly name: string }[]): string =>
  params.length === 0 ? 'nothing' : params.map(({ name }) => name).join(', ');

/** Sizes of the inputs that a trace recorded. */
function exampleShapes(
  archive: TorchScriptArchive,
  config: ModelConfig,
  inputs: readonly InputSpec[],
): ReadonlyMap<string, readonly number[]> {
  const recorded = archive.tracedInputs.get(config.method ?? 'forward') ?? [];
  const shapes = new Map<string, readonly number[]>();
  recorded.forEach((value, i) => {
    const name = inputs[i]?.name;
    const isTensor = typeof value === 'object' && value !== null && value.kind === 'tensor';
    if (name !== undefined && isTensor) shapes.set(name, value.sizes);
  });
  return shapes;
}

async function initialState(
  archive: TorchScriptArchive,
  { signature }: CompiledModel,
): Promise<ReadonlyMap<string, Tensor>> {
  const state = new Map<string, Tensor>();
  for (const { input, dtype, shape, initial } of signature.state) {
    const data = initial instanceof Uint8Array ? initial : await readTensor(archive, initial);
    state.set(input, { name: input, datatype: datatypeOf(dtype), shape, data });
  }
  return state;
}

function hintsOf(graph: OnnxModel | undefined, compiled?: CompiledModel): BatchHints {
  if (graph === undefined) return {};
  const { inputs, sizes } = rowHints(graph);
  const [control] = findDataDependentNodes(graph, new Set(inputs[0] ?? inputsWithAxes(graph)));
  const source = compiled?.runtimeControl[0];
  return {
    rowInputs: inputs,
    fixedRows: [...(compiled?.fixedRows ?? []), ...sizes.map((size) => ({ size }))],
    mixing:
      control === undefined
        ? undefined
        : `${control.opType} "${control.name}" ${control.does} the data of all rows${source === undefined ? '' : ` (${source})`}, so one row may change what happens to others`,
  };
}

/** Whether a loop ends when values of any inputs say so. A graph that cannot be decoded is not known to have such a loop. */
function isUnbounded(model: OnnxModel | undefined): boolean {
  if (model === undefined) return false;
  const { inputs, initializers } = model.graph;
  const weights = new Set(initializers.map(({ name }) => name));
  const given = new Set(inputs.flatMap(({ name }) => (weights.has(name) ? [] : [name])));
  return findDataDependentNodes(model, given).some(({ isOpenEnded }) => isOpenEnded === true);
}

/** Inputs that may carry rows if no axis 0 is free, because the number of rows is fixed: all inputs except numbers. */
function inputsWithAxes({ graph }: OnnxModel): string[] {
  const weights = new Set(graph.initializers.map(({ name }) => name));
  return graph.inputs.flatMap(({ name, shape }) => (weights.has(name) || shape?.length === 0 ? [] : [name]));
}

/** Compares the config's inputs and outputs with the session's. */
function checkSignature({ signature }: OnnxSession, config: ModelConfig): void {
  const given = configSignature(config);
  for (const [side, specs, own] of [
    ['input', given.inputs, signature.inputs],
    ['output', given.outputs, signature.outputs],
  ] as const) {
    for (const spec of specs ?? []) {
      const found = own.find(({ name }) => name === spec.name);
      const names = own.map(({ name }) => `"${name}"`).join(', ');
      if (found === undefined)
        throw configError(side, `names "${spec.name}", which the model does not have: its ${side}s are ${names}`);
      if (!fits(found, spec)) {
        throw configError(side, `says "${spec.name}" is ${text(spec)}, and in the model it is ${text(found)}`);
      }
    }
  }
}

const fits = (found: TensorSpec, given: TensorSpec): boolean =>
  found.datatype === given.datatype &&
  found.shape.length === given.shape.length &&
  found.shape.every((size, axis) => size === -1 || given.shape[axis] === -1 || given.shape[axis] === size);
const text = ({ datatype, shape }: TensorSpec): string => `${datatype}[${shape.join(',')}]`;

function configError(field: string, why: string): SconceError {
  return new SconceError('model_invalid', `the config's "${field}" ${why}`, { details: { param: `config.${field}` } });
}
