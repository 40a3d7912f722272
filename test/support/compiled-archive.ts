import { basename, dirname } from 'node:path';
import { checkGraph, encodeModel } from '@sconce/onnx';
import { OnnxSession } from '@sconce/runtime';
import { openFile } from '@sconce/storage';
import type { Datatype, Tensor } from '@sconce/tensor';
import {
  compile,
  datatypeOf,
  inputsOfCall,
  openArchive,
  readTensor,
  scalarTypeOf,
  spreadLists,
  type CallArgument,
  type CompiledModel,
  type InputOptions,
  type TorchScriptArchive,
} from '@sconce/torchscript';

/** A TorchScript archive, compiled for one form of call and loaded in ONNX Runtime. */
export interface CompiledArchive extends AsyncDisposable {
  readonly compiled: CompiledModel;
  /** Time to open the archive and compile it. */
  readonly compileMs: number;
  /** Runs one call: arguments and outputs in order, with lists flattened. State is kept from call to call. */
  run(args: readonly Tensor[]): Promise<Tensor[]>;
}

/** Opens and compiles an archive for calls like `example`. `options` gives the facts that tensors do not show. */
export async function compileArchive(
  path: string,
  example: readonly Tensor[],
  options?: (archive: TorchScriptArchive, call: readonly CallArgument[]) => InputOptions,
): Promise<CompiledArchive> {
  const source = await openFile(path);
  try {
    const started = performance.now();
    const archive = await openArchive(source);
    const call = example.map(({ datatype, shape }) => ({
      dtype: scalarTypeOf(datatype),
      rank: shape.length,
    }));
    const described = options?.(archive, call) ?? inputsOfCall(archive, call);
    const compiled = await compile(archive, { ...described, archiveName: basename(path) });
    const compileMs = performance.now() - started;
    checkGraph(compiled.model.graph);
    const bytes = encodeModel(compiled.model);
    const session = await OnnxSession.open({ bytes, externalFolder: dirname(path) }, { intraOpThreads: 1 });
    const { signature } = compiled;
    const state = new Map<string, Tensor>();
    for (const { input, dtype, shape, initial } of signature.state) {
      const data = initial instanceof Uint8Array ? initial : await readTensor(archive, initial);
      state.set(input, { name: input, datatype: datatypeOf(dtype), shape, data });
    }
    const taken = new Set(session.signature.inputs.map(({ name }) => name));
    const inputs = signature.inputs.filter(({ name }) => !state.has(name));
    return {
      compiled,
      compileMs,
      run: async (args) => {
        const feeds = inputs.map(({ name, dtype }, i) => as(args[i], name, datatypeOf(dtype)));
        const names = signature.outputs.map(({ name }) => name);
        const all = [...feeds, ...state.values()].filter(({ name }) => taken.has(name));
        const results = await session.run(all, names, new Map());
        for (const { input, output } of signature.state) {
          const next = results.find(({ name }) => name === output);
          if (next !== undefined) state.set(input, { ...next, name: input, data: next.data.slice() });
        }
        const own = results.filter(({ name }) => !signature.state.some(({ output }) => output === name));
        return spreadLists(own, signature.lists);
      },
      [Symbol.asyncDispose]: () => session.release(),
    };
  } finally {
    await source.close();
  }
}

/**
 * Converts a tensor to the input's datatype: a Python number is stored as the tensor that PyTorch makes of it (float32,
 * int64, bool), but the input may have another type.
 */
function as(tensor: Tensor | undefined, name: string, datatype: Datatype): Tensor {
  if (tensor === undefined) throw new Error(`the call has no argument for ${name}`);
  if (tensor.datatype === datatype) return { ...tensor, name };
  const bytes = new DataView(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
  if (tensor.datatype === 'FP32' && datatype === 'FP64') {
    return { ...tensor, name, datatype, data: new Uint8Array(new Float64Array([bytes.getFloat32(0, true)]).buffer) };
  }
  if (tensor.datatype === 'BF16' && datatype === 'FP32') {
    const wide = new Uint32Array(tensor.data.byteLength / 2);
    wide.forEach((_, i) => (wide[i] = bytes.getUint16(2 * i, true) << 16));
    return { ...tensor, name, datatype, data: new Uint8Array(wide.buffer) };
  }
  throw new Error(`argument ${name} is ${tensor.datatype}, and the model takes ${datatype}`);
}
