import { Metadata, status, type sendUnaryData, type ServerDuplexStream, type ServerUnaryCall } from '@grpc/grpc-js';
import { SconceError } from '@sconce/errors';
import type { InferenceAnswer, PendingRequest } from '@sconce/queue';
import { freeBytes } from '@sconce/process/memory';
import { MOST_TIMEOUTS } from '../http/connection-watch.ts';
import { CallRecord } from './call-record.ts';
import type { GrpcLimits, GrpcServices } from './grpc-services.ts';
import { InferStream } from './infer-stream.ts';
import { INFERENCE_METHODS } from './methods.ts';
import { runInfer, waitOf, writeAnswer } from './run-infer.ts';

/** The handlers of ModelInfer and ModelStreamInfer. */
export function inferHandlers(
  services: GrpcServices,
  limits: GrpcLimits & { readonly endConnection: (peer: string) => void },
): {
  readonly ModelInfer: (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => void;
  readonly ModelStreamInfer: (call: ServerDuplexStream<Buffer, Buffer>) => void;
} {
  return {
    ModelInfer: (call, callback) => {
      const record = new CallRecord(services, INFERENCE_METHODS.ModelInfer, call.metadata);
      // In a later turn, as over HTTP: callers that are refused and send again at once must not keep the turn going (ADR 28).
      const onError = (thrown: unknown): void => {
        const failed = record.fail(thrown);
        setImmediate(callback, failed);
      };
      const send = (bytes: Buffer, timing: InferenceAnswer['timing']): void => {
        record.end();
        callback(null, bytes, trailers(record, timing));
        if (record.hold === undefined || call.cancelled) return;
        // grpc-js has copied the answer.
        freeBytes(bytes);
        timer = setTimeout(() => {
          services.logger.info({ peer: call.getPeer() }, 'a caller does not take its answer');
          limits.endConnection(call.getPeer());
        }, MOST_TIMEOUTS * limits.transferTimeoutMs);
      };
      let timer: NodeJS.Timeout | undefined;
      let pending: PendingRequest | undefined;
      // Comes also when the answer has been sent.
      call.on('cancelled', () => {
        clearTimeout(timer);
        record.releaseBytes();
        record.end(isLate(call.getDeadline()) ? status.DEADLINE_EXCEEDED : status.CANCELLED);
        pending?.giveUp();
      });
      try {
        record.admit();
        refuseMetadata(call.metadata);
      } catch (error) {
        onError(error);
        return;
      }
      runInfer(
        {
          services,
          record,
          recorded: record.recorded,
          body: call.request,
          isGone: () => call.cancelled,
          onBegun: (begun) => (pending = begun),
          maxWaitMs: waitOf(call.getDeadline()),
        },
        {
          onAnswer: (prepared, answer) => {
            const bytes = writeAnswer(prepared, answer, { inStream: false });
            if (bytes instanceof Promise) bytes.then((own) => send(own, answer.timing)).catch(onError);
            else send(bytes, answer.timing);
          },
          onError,
        },
      );
    },
    ModelStreamInfer: (call) => {
      new InferStream(call, services, limits).start();
    },
  };
}

function isLate(deadline: Date | number): boolean {
  return waitOf(deadline) === 0;
}

/** @throws SconceError `unsupported` for metadata that ask for something that gRPC does not have here. */
function refuseMetadata(metadata: Metadata): void {
  if (metadata.get('idempotency-key').length === 0) return;
  throw new SconceError(
    'unsupported',
    'Metadata "idempotency-key" is not supported over gRPC: send the request over HTTP.',
    {
      details: { param: 'idempotency-key' },
    },
  );
}

/** What HTTP has in headers: the trace, and where the time went. */
function trailers(
  { trace, warning }: CallRecord,
  { queueMs, batchMs, runMs, batchRows }: InferenceAnswer['timing'],
): Metadata {
  const metadata = new Metadata();
  if (trace !== undefined) metadata.set('traceparent', trace.traceparent);
  if (warning !== undefined) metadata.set('warning', warning);
  metadata.set(
    'server-timing',
    `queue;dur=${queueMs}, batch;dur=${batchMs};desc="${batchRows} rows", run;dur=${runMs}`,
  );
  return metadata;
}
