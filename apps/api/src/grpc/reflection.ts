import { status, type ServerDuplexStream } from '@grpc/grpc-js';
import { toBinary, type JsonObject } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { CallRecord } from './call-record.ts';
import type { GrpcServices } from './grpc-services.ts';
import { HEALTH_SERVICE, INFERENCE_SERVICE, REFLECTION_SERVICES, type GrpcMethod } from './methods.ts';
import { read } from './model-methods.ts';
import { FILES, REGISTRY, methodsOf, readMessage, writeMessage } from './proto/schema.ts';

const METHOD: GrpcMethod = {
  name: `${REFLECTION_SERVICES[0]}/ServerReflectionInfo`,
  httpMethod: 'GET',
  need: 'key',
  isTraced: false,
};

/** The handler of the service that gRPC defines for reflection: clients such as grpcurl learn the services from it. */
export function reflectionHandlers(services: GrpcServices): {
  readonly ServerReflectionInfo: (call: ServerDuplexStream<Buffer, Buffer>) => void;
} {
  const [schema] = methodsOf(REFLECTION_SERVICES[0] ?? '');
  if (schema === undefined) throw new Error('the reflection service has no methods');
  return {
    ServerReflectionInfo: (call) => {
      const record = new CallRecord(services, METHOD, call.metadata);
      const fail = (error: unknown): void => {
        call.emit('error', record.fail(error));
      };
      call.on('error', () => record.end(status.CANCELLED));
      call.on('cancelled', () => record.end(status.CANCELLED));
      try {
        record.admit();
      } catch (error) {
        fail(error);
        return;
      }
      call.on('data', (bytes: Buffer) => {
        try {
          const request = read(() => readMessage(schema, bytes));
          if (!call.write(writeMessage(schema, { original_request: request, ...answerOf(request) }))) {
            call.pause();
            call.once('drain', () => call.resume());
          }
        } catch (error) {
          fail(error);
        }
      });
      call.on('end', () => {
        record.end();
        call.end();
      });
    },
  };
}

function answerOf(request: JsonObject): object {
  if ('list_services' in request) {
    const names = [INFERENCE_SERVICE, HEALTH_SERVICE, ...REFLECTION_SERVICES];
    return { list_services_response: { service: names.map((name) => ({ name })) } };
  }
  const { file_by_filename: fileName, file_containing_symbol: symbol } = request;
  if (typeof fileName === 'string') {
    return fileAnswer(
      FILES.find(({ proto }) => proto.name === fileName),
      fileName,
    );
  }
  if (typeof symbol === 'string') return fileAnswer(fileOf(symbol), symbol);
  return notFound('extensions: these services have none');
}

/** The file of a message, an enumeration, a service or a method. */
function fileOf(symbol: string): (typeof FILES)[number] | undefined {
  const own = REGISTRY.get(symbol)?.file ?? REGISTRY.getService(symbol.replace(/\.[^.]*$/, ''))?.file;
  // Messages of both names of reflection are the same.
  return own ?? (symbol.startsWith('grpc.reflection.') ? REGISTRY.getService(REFLECTION_SERVICES[0] ?? '')?.file : own);
}

function fileAnswer(file: (typeof FILES)[number] | undefined, asked: string): object {
  if (file === undefined) return notFound(asked);
  const bytes = Buffer.from(toBinary(FileDescriptorProtoSchema, file.proto)).toString('base64');
  return { file_descriptor_response: { file_descriptor_proto: [bytes] } };
}

function notFound(asked: string): object {
  return { error_response: { error_code: status.NOT_FOUND, error_message: `not found: ${asked.slice(0, 200)}` } };
}
