import { status, type sendUnaryData, type ServerUnaryCall, type ServerWritableStream } from '@grpc/grpc-js';
import { CallRecord } from './call-record.ts';
import type { GrpcServices } from './grpc-services.ts';
import { HEALTH_METHODS, HEALTH_SERVICE, INFERENCE_SERVICE } from './methods.ts';
import { read } from './model-methods.ts';
import { methodsOf, readMessage, writeMessage } from './proto/schema.ts';

/** How often a watched state is read, ms. */
const LOOK_MS = 2_000;

/** The services whose health can be asked for; the empty name is the whole server. */
const KNOWN: ReadonlySet<unknown> = new Set([undefined, INFERENCE_SERVICE]);

/** The handlers of the service that gRPC defines for health. Ready means the same as `/v2/health/ready`. */
export function healthHandlers(services: GrpcServices): {
  readonly Check: (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => void;
  readonly Watch: (call: ServerWritableStream<Buffer, Buffer>) => void;
} {
  const [schema] = methodsOf(HEALTH_SERVICE);
  if (schema === undefined) throw new Error('the health service has no methods');
  const state = async (): Promise<string> => ((await services.isReady()) ? 'SERVING' : 'NOT_SERVING');
  const write = (answer: string): Buffer => writeMessage(schema, { status: answer });
  return {
    Check: (call, callback) => {
      const record = new CallRecord(services, HEALTH_METHODS.Check, call.metadata);
      const run = async (): Promise<void> => {
        const { service } = read(() => readMessage(schema, call.request));
        if (!KNOWN.has(service)) {
          callback({ code: status.NOT_FOUND, details: `there is no service "${String(service)}"` });
          return;
        }
        callback(null, write(await state()));
      };
      run().catch((error: unknown) => callback(record.fail(error)));
    },
    Watch: (call) => {
      const record = new CallRecord(services, HEALTH_METHODS.Watch, call.metadata);
      let last = '';
      let timer: NodeJS.Timeout | undefined;
      let hasEnded = false;
      const end = (): void => {
        hasEnded = true;
        clearTimeout(timer);
      };
      call.on('cancelled', end);
      call.on('error', end);
      const look = async (isKnown: boolean): Promise<void> => {
        const now = isKnown ? await state() : 'SERVICE_UNKNOWN';
        if (hasEnded) return;
        if (now !== last) call.write(write(now));
        last = now;
        timer = setTimeout(() => void look(isKnown), LOOK_MS).unref();
      };
      try {
        const { service } = read(() => readMessage(schema, call.request));
        void look(KNOWN.has(service));
      } catch (error) {
        call.emit('error', record.fail(error));
      }
    },
  };
}
