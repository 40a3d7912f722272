import type { sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js';
import { SconceError } from '@sconce/errors';
import { CallRecord } from './call-record.ts';
import { messageError } from './codec/wire-reader.ts';
import type { GrpcServices } from './grpc-services.ts';
import { INFERENCE_METHODS, INFERENCE_SERVICE, type InferenceMethod } from './methods.ts';
import { methodsOf, readMessage, writeMessage } from './proto/schema.ts';

/** A request, with the field names of the .proto file. Fields with their default value are absent. */
interface ModelRequest {
  readonly name?: string;
  readonly version?: string;
  readonly model_name?: string;
  readonly ready?: boolean;
  readonly parameters?: Readonly<Record<string, unknown>>;
}

/** Answers a request with an object that has the field names of the .proto file. */
type ModelMethod = (services: GrpcServices, request: ModelRequest) => Promise<object> | object;

const UNSUPPORTED = {
  system: 'System shared memory is not supported: send tensors as raw_input_contents.',
  cuda: 'CUDA shared memory is not supported: this server runs models on CPUs. Send tensors as raw_input_contents.',
  trace: 'Trace settings are not supported: the OTEL_… variables of the server set them (docs/telemetry.md).',
  log: 'Log settings are not supported: SCONCE_LOG_LEVEL of the server sets them.',
} as const;

function unsupported(what: keyof typeof UNSUPPORTED): ModelMethod {
  return () => {
    throw new SconceError('unsupported', UNSUPPORTED[what]);
  };
}

/** The methods whose messages need no codec of their own. */
const MODEL_METHODS: Readonly<Record<Exclude<InferenceMethod, 'ModelInfer' | 'ModelStreamInfer'>, ModelMethod>> = {
  ServerLive: () => ({ live: true }),
  ServerReady: async ({ isReady }) => ({ ready: await isReady() }),
  ModelReady: async ({ models }, { name = '', version }) => ({ ready: await isModelReady(models, name, version) }),
  ServerMetadata: ({ metadata }) => metadata,
  ModelMetadata: ({ models }, { name = '', version }) => models.metadata(name, version),
  ModelConfig: async ({ models }, { name = '', version }) => ({ config: await models.config(name, version) }),
  ModelStatistics: ({ models }, { name, version }) =>
    name === undefined ? models.allStats() : models.stats(name, version),
  RepositoryIndex: async ({ index }, { ready = false }) => ({ models: await index({ ready }) }),
  RepositoryModelLoad: async ({ load }, { model_name: model = '', parameters = {} }) => {
    await load(model, parameters);
    return {};
  },
  RepositoryModelUnload: async ({ unload }, { model_name: model = '', parameters = {} }) => {
    await unload(model, parameters);
    return {};
  },
  SystemSharedMemoryStatus: unsupported('system'),
  SystemSharedMemoryRegister: unsupported('system'),
  SystemSharedMemoryUnregister: unsupported('system'),
  CudaSharedMemoryStatus: unsupported('cuda'),
  CudaSharedMemoryRegister: unsupported('cuda'),
  CudaSharedMemoryUnregister: unsupported('cuda'),
  TraceSetting: unsupported('trace'),
  LogSettings: unsupported('log'),
};

/** Triton's clients take no error for "not ready": a model that does not exist is not ready either. */
async function isModelReady(
  models: GrpcServices['models'],
  name: string,
  version: string | undefined,
): Promise<boolean> {
  try {
    return (await models.ready(name, version)).ready;
  } catch (error) {
    if (error instanceof SconceError && error.code === 'model_not_found') return false;
    throw error;
  }
}

type UnaryHandler = (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => void;

/** The handlers of these methods, by name. */
export function modelHandlers(services: GrpcServices): Record<string, UnaryHandler> {
  const handlers: Record<string, UnaryHandler> = {};
  for (const schema of methodsOf(INFERENCE_SERVICE)) {
    const name = schema.name as keyof typeof MODEL_METHODS;
    const act = MODEL_METHODS[name] as ModelMethod | undefined;
    if (act === undefined) continue;
    handlers[name] = (call, callback) => {
      const record = new CallRecord(services, INFERENCE_METHODS[name], call.metadata);
      const run = async (): Promise<Buffer> => {
        record.admit();
        const request = read(() => readMessage(schema, call.request)) as ModelRequest;
        record.nameTarget(request.model_name ?? '');
        return writeMessage(schema, await act(services, request));
      };
      run().then(
        (bytes) => {
          record.end();
          callback(null, bytes);
        },
        (error: unknown) => callback(record.fail(error)),
      );
    };
  }
  return handlers;
}

/** Reads a message. @throws SconceError `invalid_request` if it is not valid. */
export function read<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw messageError((error as Error).message);
  }
}
