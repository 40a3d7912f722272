import { basename, dirname, resolve } from 'node:path';
import { SconceError } from '@sconce/errors';
import { SNIFF_HEAD_BYTES, sniffFormat } from '@sconce/models';
import { encodeModel } from '@sconce/onnx';
import { OnnxSession } from '@sconce/runtime';
import { openFile, type OpenByteSource } from '@sconce/storage';
import type { Tensor } from '@sconce/tensor';
import {
  compile,
  inputsOfCall,
  openArchive,
  readTensor,
  type CompiledModel,
  type CompileOptions,
  type TorchScriptArchive,
} from '@sconce/torchscript';
import { datatypeOf, toDatatype } from './scalar-datatype.ts';

/** A model file, opened without a server. */
export type OfflineModel =
  | { readonly kind: 'torchscript'; readonly path: string; readonly archive: TorchScriptArchive; readonly source: OpenByteSource }
  | { readonly kind: 'onnx'; readonly path: string; readonly source: OpenByteSource };

/** Opens a model file and tells by its content what it is. Close `source` when done. */
export async function openModel(path: string): Promise<OfflineModel> {
  const source = await openFile(path).catch((cause: unknown) => {
    throw new SconceError('not_found', `cannot open ${path}`, { cause, details: { hint: 'Check the path.' } });
  });
  try {
    const head = await source.read(0, Math.min(SNIFF_HEAD_BYTES, source.size));
    if (head.length > 3 && head[0] !== 0x50 && sniffFormat(head) === 'onnx') return { kind: 'onnx', path, source };
    return { kind: 'torchscript', path, archive: await openArchive(source), source };
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** A model that can be run: inputs by name or in order. Release it when done. */
export interface RunnableModel {
  readonly inputs: readonly string[];
  /** Outputs in order, without the state that is handed on from call to call. */
  readonly outputs: readonly string[];
  readonly warnings: readonly string[];
  /** Runs the inputs, in order or by name; state goes from call to call. */
  run(inputs: readonly Tensor[]): Promise<Tensor[]>;
  release(): Promise<void>;
}

const THREADS = { intraOpThreads: 0 };

/** Makes a model ready to run calls of this form; `call` describes a TorchScript model's inputs where nothing else does. */
export async function prepare(model: OfflineModel, call: readonly Tensor[], options: CompileOptions): Promise<RunnableModel> {
  return model.kind === 'onnx' ? prepareOnnx(model.path) : prepareTorchScript(model, call, options);
}

async function prepareOnnx(path: string): Promise<RunnableModel> {
  const session = await OnnxSession.open(resolve(path), THREADS);
  const { inputs, outputs } = session.signature;
  const names = inputs.map(({ name }) => name);
  const outputNames = outputs.map(({ name }) => name);
  return {
    inputs: names,
    outputs: outputNames,
    warnings: [],
    run: async (tensors) => session.run(named(tensors, inputs), outputNames, new Map()),
    release: () => session.release(),
  };
}

async function prepareTorchScript(
  model: OfflineModel & { kind: 'torchscript' },
  call: readonly Tensor[],
  options: CompileOptions,
): Promise<RunnableModel> {
  const described = call.map(({ datatype, shape }) => ({ dtype: datatypeOf(datatype), rank: shape.length }));
  const fixed = new Set(options.args?.keys());
  const fromCall = inputsOfCall(model.archive, described, { ...options, fixed });
  const compiled = await compile(model.archive, {
    ...options,
    ...fromCall,
    inputs: new Map([...(fromCall.inputs ?? []), ...(options.inputs ?? [])]),
    archiveName: basename(model.path),
  });
  const session = await openCompiled(compiled, model.path);
  const state = await initialState(model.archive, compiled);
  const { signature } = compiled;
  const stateNames = new Map(signature.state.map(({ input, output }) => [output, input]));
  const inputs = signature.inputs
    .filter(({ name }) => !state.has(name))
    .map(({ name, dtype, shape }) => ({ name, datatype: toDatatype(dtype), shape: shape.map(() => -1) }));
  const all = signature.outputs.map(({ name }) => name);
  return {
    inputs: inputs.map(({ name }) => name),
    outputs: all.filter((name) => !stateNames.has(name)),
    warnings: compiled.warnings,
    run: async (tensors) => {
      const used = new Set(session.signature.inputs.map(({ name }) => name));
      const feeds = [...named(tensors, inputs), ...state.values()].filter(({ name }) => used.has(name));
      const results = await session.run(feeds, all, new Map());
      for (const result of results) {
        const name = stateNames.get(result.name);
        if (name !== undefined) state.set(name, { ...result, name, data: result.data.slice() });
      }
      return results.filter(({ name }) => !stateNames.has(name));
    },
    release: () => session.release(),
  };
}

/** Opens a compiled model in the runtime; its weights are read from the archive where it lies. */
async function openCompiled(compiled: CompiledModel, path: string): Promise<OnnxSession> {
  return OnnxSession.open({ bytes: encodeModel(compiled.model), externalFolder: dirname(resolve(path)) }, THREADS);
}

async function initialState(archive: TorchScriptArchive, compiled: CompiledModel): Promise<Map<string, Tensor>> {
  const state = new Map<string, Tensor>();
  for (const { input, dtype, shape, initial } of compiled.signature.state) {
    const data = initial instanceof Uint8Array ? initial : await readTensor(archive, initial);
    state.set(input, { name: input, datatype: toDatatype(dtype), shape, data });
  }
  return state;
}

/** The tensors under the inputs' names: by name where all are named so, in order otherwise; numbers get the input's type. */
function named(
  tensors: readonly Tensor[],
  inputs: readonly { readonly name: string; readonly datatype: Tensor['datatype']; readonly shape: readonly number[] }[],
): Tensor[] {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const matched = inputs.every(({ name }) => byName.has(name));
  if (!matched && tensors.length !== inputs.length) {
    throw new SconceError('invalid_tensor', `the model takes ${inputs.length} inputs (${inputs.map(({ name }) => name).join(', ')}), and ${tensors.length} are given`);
  }
  return inputs.map(({ name, datatype }, i) => {
    const tensor = matched ? byName.get(name) : tensors[i];
    if (tensor === undefined) throw new SconceError('invalid_tensor', `input ${name} is missing`);
    return convert({ ...tensor, name }, datatype);
  });
}

/** Python numbers are stored as whatever tensor `torch.tensor` makes of them. */
function convert(tensor: Tensor, datatype: Tensor['datatype']): Tensor {
  if (tensor.datatype === datatype || tensor.shape.length > 0) return tensor;
  const [value = 0] = [...numbersOf(tensor)];
  const bytes = new DataView(new ArrayBuffer(8));
  if (datatype === 'FP64') bytes.setFloat64(0, value, true);
  else if (datatype === 'FP32') bytes.setFloat32(0, value, true);
  else if (datatype === 'INT64') bytes.setBigInt64(0, BigInt(Math.trunc(value)), true);
  else if (datatype === 'BOOL') bytes.setUint8(0, value === 0 ? 0 : 1);
  else return tensor;
  const size = datatype === 'BOOL' ? 1 : datatype === 'FP32' ? 4 : 8;
  return { ...tensor, datatype, data: new Uint8Array(bytes.buffer, 0, size) };
}

function* numbersOf(tensor: Tensor): Generator<number> {
  const view = new DataView(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
  if (tensor.datatype === 'FP32') yield view.getFloat32(0, true);
  else if (tensor.datatype === 'FP64') yield view.getFloat64(0, true);
  else if (tensor.datatype === 'INT64') yield Number(view.getBigInt64(0, true));
  else if (tensor.datatype === 'INT32') yield view.getInt32(0, true);
  else yield view.getUint8(0);
}

