import { fileURLToPath } from 'node:url';
import { credentials, loadPackageDefinition, Metadata, type ChannelCredentials, type Client } from '@grpc/grpc-js';
import type { ClientDuplexStream, ClientReadableStream, GrpcObject, ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { atEndOfFile } from '@sconce/testing';

const FOLDER = fileURLToPath(new URL('../../apps/api/src/grpc/proto/', import.meta.url));
const FILES = ['inference.proto', 'health.proto', 'reflection.proto'];

/** A message as an object with the field names of the .proto files. */
export type Message = Readonly<Record<string, unknown>>;

export interface CallOptions {
  readonly metadata?: Readonly<Record<string, string>>;
  readonly deadlineMs?: number;
  /** Cancels the call. */
  readonly signal?: AbortSignal;
}

/** The end of a call: its answer, or its status and message. */
export type CallEnd =
  { readonly answer: Message; readonly trailers: Metadata } | { readonly code: number; readonly message: string };

/** A client of a service, as grpc-js makes it from the .proto files: none of our own code reads or writes its messages. */
export interface GrpcClient {
  call(method: string, request?: Message, options?: CallOptions): Promise<CallEnd>;
  /** Opens a stream of a method. */
  open(method: string, options?: CallOptions): ClientDuplexStream<Message, Message>;
  /** Opens a stream of answers. */
  watch(method: string, request: Message): ClientReadableStream<Message>;
}

type Method = (...args: unknown[]) => ReturnType<GrpcClient['open']>;

/** Makes a client. It is closed at the end of the spec file. */
export function grpcClient(
  url: string,
  service = 'inference.GRPCInferenceService',
  security: ChannelCredentials = credentials.createInsecure(),
): GrpcClient {
  const loaded = loadPackageDefinition(
    loadSync(FILES, { includeDirs: [FOLDER], keepCase: true, longs: Number, enums: String, defaults: true }),
  );
  const found = service
    .split('.')
    .reduce<unknown>((object, name) => (object as GrpcObject | undefined)?.[name], loaded) as new (
    address: string,
    security: ChannelCredentials,
  ) => Client & Record<string, Method>;
  const client = new found(url, security);
  atEndOfFile(() => client.close());
  const given = ({ metadata = {}, deadlineMs }: CallOptions): [Metadata, object] => {
    const own = new Metadata();
    for (const [key, value] of Object.entries(metadata)) own.set(key, value);
    return [own, deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs }];
  };
  return {
    call: (method, request = {}, options = {}) =>
      new Promise((resolve) => {
        let end: CallEnd | undefined;
        const done = (error: ServiceError | null, answer?: Message): void => {
          if (error === null) end = { answer: answer ?? {}, trailers: new Metadata() };
          else end = { code: error.code, message: error.details };
        };
        const call = client[method]?.(request, ...given(options), done);
        options.signal?.addEventListener('abort', () => call?.cancel());
        call?.on('status', ({ metadata }: { metadata: Metadata }) => {
          // The callback comes in the same turn.
          setImmediate(() =>
            resolve(end !== undefined && 'answer' in end ? { ...end, trailers: metadata } : (end as CallEnd)),
          );
        });
      }),
    open: (method, options = {}) => client[method]?.(...given(options)) as ReturnType<GrpcClient['open']>,
    watch: (method, request) => client[method]?.(request) as unknown as ClientReadableStream<Message>,
  };
}

/** All answers of a stream, and how it ended. */
export async function readStream(
  stream: ClientReadableStream<Message>,
): Promise<{ readonly answers: readonly Message[]; readonly error: ServiceError | undefined }> {
  const answers: Message[] = [];
  stream.on('data', (answer: Message) => answers.push(answer));
  const error = await new Promise<ServiceError | undefined>((resolve) => {
    stream.on('error', (thrown: ServiceError) => resolve(thrown));
    stream.on('end', () => resolve(undefined));
  });
  return { answers, error };
}
