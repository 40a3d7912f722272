import { createRequire } from 'node:module';
import type * as ortNamespace from 'onnxruntime-node';
import { SconceError } from '@sconce/errors';
import {
  bytesElements,
  encodeBytes,
  viewOf,
  type Datatype,
  type Tensor,
  type TensorSpec,
  type ModelSignature,
} from '@sconce/tensor';
import { runError } from './run-error.ts';
import { ORT_TYPE, datatypeOf } from './ort-datatype.ts';
import { disableRuntimeTelemetry } from './runtime-telemetry.ts';

const ort = loadBinding();

/** Node before 24 refuses native code memory that threads share: there, inputs and outputs are copied. */
const READS_SHARED_MEMORY = Number(process.versions.node.split('.')[0]) >= 24;

/**
 * Loads the native binding while `Float16Array` is hidden from it.
 *
 * Source: onnxruntime-node 1.30 on Node 24. Its JavaScript side decides once, at the first tensor, which array type holds
 * float16. It prefers `Float16Array`, but its native side reads no bytes from such an array ("not enough space:
 * expected 8, got 0"). Both sides can use `Uint16Array`.
 */
function loadBinding(): typeof ortNamespace {
  disableRuntimeTelemetry();
  const binding = createRequire(import.meta.url)('onnxruntime-node') as typeof ortNamespace;
  const hidden = Object.getOwnPropertyDescriptor(globalThis, 'Float16Array');
  if (hidden) Reflect.deleteProperty(globalThis, 'Float16Array');
  try {
    new binding.Tensor('float16', new Uint16Array(1), [1]);
  } finally {
    if (hidden) Object.defineProperty(globalThis, 'Float16Array', hidden);
  }
  return binding;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The path of an ONNX file, or a model in memory whose external data is in `externalFolder`. */
export type ModelSource = string | { readonly bytes: Uint8Array; readonly externalFolder: string };

/** Where the optimised model is written: its file, and the name by which the model refers to the file of its weights. */
export interface SavedForm {
  readonly path: string;
  readonly weights: string;
  /** Whether the weights are laid out for this processor's kernels. */
  readonly prepacked: boolean;
}

/** One output of a run. Numeric data is the runtime's own memory: copy it to keep it. */
export type SessionOutput = Tensor;

/**
 * One compiled model in ONNX Runtime. `run` blocks the calling thread while native code works, so it belongs in a worker thread (the
 * binding's promise settles afterwards). Threads do not share a session.
 */
export class OnnxSession {
  readonly signature: ModelSignature;
  readonly #session: ortNamespace.InferenceSession;

  private constructor(session: ortNamespace.InferenceSession, signature: ModelSignature) {
    this.#session = session;
    this.signature = signature;
  }

  /**
   * Opens a model. With `saveAs` it also writes the optimised model. Without `arena` the memory of a run is given back after it, which
   * takes time. Throws `model_invalid` with the runtime's reason if the model
   * can't be read or its types can't be found.
   */
  static async open(
    model: ModelSource,
    options: { readonly intraOpThreads: number; readonly saveAs?: SavedForm; readonly arena?: boolean },
  ): Promise<OnnxSession> {
    const inMemory = typeof model !== 'string';
    const external = inMemory ? { model_external_initializers_file_folder_path: model.externalFolder } : {};
    const { saveAs } = options;
    const saved =
      saveAs === undefined
        ? {}
        : {
            optimized_model_external_initializers_file_name: saveAs.weights,
            optimized_model_external_initializers_min_size_in_bytes: '1024',
            save_external_prepacked_constant_initializers: saveAs.prepacked ? '1' : '0',
          };
    const sessionOptions: ortNamespace.InferenceSession.SessionOptions = {
      executionProviders: ['cpu'],
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      intraOpNumThreads: options.intraOpThreads,
      interOpNumThreads: 1,
      logSeverityLevel: 4,
      enableCpuMemArena: options.arena ?? true,
      enableMemPattern: options.arena ?? true,
      // A spinning thread takes the core that Node and Redis need. Without it only the latency of single requests is higher (measured).
      extra: { session: { intra_op: { allow_spinning: '0' }, ...external, ...saved } },
      ...(saveAs === undefined ? {} : { optimizedModelFilePath: saveAs.path }),
    };
    let session: ortNamespace.InferenceSession;
    try {
      session = await (inMemory
        ? ort.InferenceSession.create(model.bytes, sessionOptions)
        : ort.InferenceSession.create(model, sessionOptions));
    } catch (cause) {
      const reason = ortReason(cause, inMemory ? undefined : model);
      throw new SconceError('model_invalid', `ONNX Runtime refused the model: ${reason}`, { cause });
    }
    try {
      const signature = {
        inputs: session.inputMetadata.map((value) => specOf(value, 'input')),
        outputs: session.outputMetadata.map((value) => specOf(value, 'output')),
      };
      return new OnnxSession(session, signature);
    } catch (error) {
      await session.release();
      throw error;
    }
  }

  /**
   * One session call. `inputs` are read in place. An output that `into` names is written to that tensor's data.
   * Throws `invalid_input`, `out_of_memory` or `inference_failed` with the runtime's reason (`runError`), `invalid_tensor` for BYTES that
   * are not UTF-8.
   */
  async run(
    inputs: readonly Tensor[],
    outputs: readonly string[],
    into: ReadonlyMap<string, Tensor>,
  ): Promise<SessionOutput[]> {
    const feeds = Object.fromEntries(inputs.map((input) => [input.name, toOrt(readable(input))]));
    const fetches: Record<string, ortNamespace.Tensor | null> = {};
    for (const name of outputs) {
      const target = into.get(name);
      fetches[name] = target === undefined || !isReadable(target) ? null : toOrt(target);
    }
    let results: ortNamespace.InferenceSession.ReturnType;
    try {
      results = await this.#session.run(feeds, fetches as ortNamespace.InferenceSession.FetchesType);
    } catch (cause) {
      throw runError(ortReason(cause), cause);
    }
    return outputs.map((name) => {
      const value = results[name];
      if (value === undefined) throw new SconceError('internal', `ONNX Runtime returned no output "${name}"`);
      const output = fromOrt(name, value);
      const target = into.get(name);
      return target === undefined || fetches[name] !== null ? output : copyTo(target, output);
    });
  }

  /** Frees the native session. */
  async release(): Promise<void> {
    await this.#session.release();
  }
}

function specOf(value: ortNamespace.InferenceSession.ValueMetadata, role: string): TensorSpec {
  if (!value.isTensor) {
    throw new SconceError(
      'model_invalid',
      `The model's ${role} "${value.name}" is not a tensor (a sequence, map or optional); only tensors can be served.`,
      { details: { param: value.name } },
    );
  }
  const datatype = datatypeOf(value.type);
  if (datatype === undefined) {
    throw new SconceError(
      'model_invalid',
      `The model's ${role} "${value.name}" has element type ${value.type}, which can't be served; cast it to float32 in the model.`,
      { details: { param: value.name } },
    );
  }
  const shape = value.shape.map((size) => (typeof size === 'number' && size >= 0 ? size : -1));
  return { name: value.name, datatype, shape };
}

function toOrt(tensor: Tensor): ortNamespace.Tensor {
  const type = ORT_TYPE[tensor.datatype];
  if (type === undefined) {
    throw new SconceError('unsupported', `${tensor.datatype} tensors can't be passed to ONNX Runtime from Node`, {
      details: { param: tensor.name },
    });
  }
  if (type === 'string') return new ort.Tensor('string', stringsOf(tensor), tensor.shape);
  const view = viewOf(tensor);
  // FP16 goes in as its bits, see loadBinding.
  const data = type === 'float16' ? new Uint16Array(view.buffer, view.byteOffset, view.length) : view;
  return new ort.Tensor(type, data as never, tensor.shape);
}

function stringsOf(tensor: Tensor): string[] {
  return Array.from(bytesElements(tensor), (bytes, index) => {
    // The binding passes strings as C strings: it cuts them at the first NUL.
    if (bytes.includes(0)) throw unfit(tensor, index, 'holds a NUL byte, and ONNX Runtime would cut it there');
    try {
      return utf8.decode(isShared(bytes) ? bytes.slice() : bytes);
    } catch (cause) {
      throw unfit(tensor, index, 'is not valid UTF-8; the model takes strings', cause);
    }
  });
}

function unfit(tensor: Tensor, index: number, why: string, cause?: unknown): SconceError {
  const details = { param: tensor.name };
  return new SconceError('invalid_tensor', `Input "${tensor.name}": element ${index} ${why}.`, { details, cause });
}

/** Whether native code may read and write the tensor's memory. */
function isReadable({ data }: Tensor): boolean {
  return READS_SHARED_MEMORY || !isShared(data);
}

function readable(tensor: Tensor): Tensor {
  // `slice` of shared memory would be shared too.
  return isReadable(tensor) ? tensor : { ...tensor, data: new Uint8Array(tensor.data) };
}

function copyTo(target: Tensor, { name, data }: Tensor): Tensor {
  if (data.byteLength !== target.data.byteLength) {
    const message = `Output "${name}" has ${data.byteLength} bytes, and ${target.data.byteLength} were expected.`;
    throw new SconceError('inference_failed', message);
  }
  target.data.set(data);
  return target;
}

function isShared(bytes: Uint8Array): boolean {
  return bytes.buffer instanceof SharedArrayBuffer;
}

function fromOrt(name: string, value: ortNamespace.Tensor): Tensor {
  const datatype = datatypeOf(value.type) as Datatype;
  const shape = value.dims;
  if (value.type === 'string') return { name, datatype, shape, data: encodeBytes(value.data as string[]) };
  const view = value.data as Exclude<typeof value.data, string[]>;
  return { name, datatype, shape, data: new Uint8Array(view.buffer, view.byteOffset, view.byteLength) };
}

/** ONNX Runtime's message without source paths and function signatures, which only its developers need. */
function ortReason(cause: unknown, path?: string): string {
  const text = (cause instanceof Error ? cause.message : String(cause))
    .replace(/\/\S+\.(?:cc|h):\d+ [^\n]*?\) ?/g, '')
    .replace(/Non-zero status code returned while running (\w+) node\. Name:'([^']*)' Status Message: /g, '$1 "$2": ')
    .replace(/\s+/g, ' ')
    .trim();
  const withoutPath = path === undefined ? text : text.replaceAll(path, 'the file');
  return withoutPath.length > 600 ? `${withoutPath.slice(0, 600)}…` : withoutPath;
}
