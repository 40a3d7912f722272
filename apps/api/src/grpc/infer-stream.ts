import { Metadata, status, type ServerDuplexStream } from '@grpc/grpc-js';
import { toSconceError, SconceError } from '@sconce/errors';
import { epochMs } from '@sconce/process/time';
import type { PendingRequest } from '@sconce/queue';
import { CallRecord, textOf } from './call-record.ts';
import { encodeStreamError } from './codec/answer-message.ts';
import { readInferMessage } from './codec/infer-message.ts';
import type { GrpcLimits, GrpcServices } from './grpc-services.ts';
import { publicMessage } from './grpc-status.ts';
import { INFERENCE_METHODS } from './methods.ts';
import { runInfer, waitOf, writeAnswer } from './run-infer.ts';

/** Requests of a stream that have no answer yet, or whose answer the caller has not taken. No more are read then. */
export const MAX_UNFINISHED = 64;

/** The stream is the call that is measured. */
const REQUEST_OF_STREAM = { ...INFERENCE_METHODS.ModelStreamInfer, isTraced: false };

/**
 * One ModelStreamInfer call. Requests run at the same time; answers come in the order of the requests. A request that fails gets an answer
 * with the error, and the stream goes on, unless the caller sent `triton_grpc_error: true`.
 *
 * States: *open* → *half closed* (the caller sends no more; the answers that are due follow) → *ended*. A caller that does not take an answer
 * in time, or goes, ends the stream: its requests are given up.
 */
export class InferStream {
  readonly #call: ServerDuplexStream<Buffer, Buffer>;
  readonly #services: GrpcServices;
  readonly #limits: GrpcLimits & { readonly endConnection: (peer: string) => void };
  readonly #record: CallRecord;
  readonly #pending = new Set<PendingRequest>();
  readonly #endsOnError: boolean;
  #unfinished = 0;
  #hasEnded = false;
  /** Resolves when all answers so far have been written. */
  #written: Promise<void> = Promise.resolve();

  constructor(
    call: ServerDuplexStream<Buffer, Buffer>,
    services: GrpcServices,
    limits: GrpcLimits & { readonly endConnection: (peer: string) => void },
  ) {
    this.#call = call;
    this.#services = services;
    this.#limits = limits;
    this.#record = new CallRecord(services, INFERENCE_METHODS.ModelStreamInfer, call.metadata);
    this.#endsOnError = textOf(call.metadata, 'triton_grpc_error') === 'true';
  }

  start(): void {
    const call = this.#call;
    call.on('cancelled', () => {
      this.#giveUp(waitOf(call.getDeadline()) === 0 ? status.DEADLINE_EXCEEDED : status.CANCELLED);
    });
    // Without a listener, a connection that breaks would end the process.
    call.on('error', () => this.#giveUp(status.CANCELLED));
    try {
      this.#record.admitUncounted();
    } catch (error) {
      this.#fail(error);
      return;
    }
    call.on('data', (body: Buffer) => this.#take(body));
    call.on('end', () => {
      void this.#written.then(() => {
        if (this.#hasEnded) return;
        this.#hasEnded = true;
        this.#record.end();
        call.end(this.#trailers());
      });
    });
  }

  #take(body: Buffer): void {
    if (this.#hasEnded) return;
    this.#unfinished += 1;
    if (this.#unfinished >= MAX_UNFINISHED) this.#call.pause();
    const record = new CallRecord(this.#services, REQUEST_OF_STREAM, this.#call.metadata);
    const answer = this.#run(body, record);
    this.#written = this.#written.then(async () => {
      const bytes = await answer;
      if (bytes !== undefined && !this.#hasEnded) await this.#write(bytes);
      record.releaseBytes();
      this.#unfinished -= 1;
      if (this.#unfinished < MAX_UNFINISHED) this.#call.resume();
    });
  }

  /** The answer of a request, also if it fails; undefined if the stream ends. */
  async #run(body: Buffer, record: CallRecord): Promise<Buffer | undefined> {
    const { recorded } = this.#record;
    let pending: PendingRequest | undefined;
    try {
      record.admit();
      return await new Promise<Buffer>((resolve, reject) => {
        runInfer(
          {
            services: this.#services,
            record,
            // Spans of a request belong to the span of the stream, and begin with the request.
            recorded: recorded && { ...recorded, startedAtMs: epochMs() },
            body,
            isGone: () => this.#hasEnded,
            onBegun: (begun) => {
              pending = begun;
              this.#pending.add(begun);
            },
            maxWaitMs: waitOf(this.#call.getDeadline()),
          },
          {
            onAnswer: (prepared, answer) => resolve(writeAnswer(prepared, answer, { inStream: true })),
            onError: reject,
          },
        );
      });
    } catch (error) {
      const failed = toSconceError(error);
      if (this.#endsOnError) {
        this.#fail(failed);
        return undefined;
      }
      record.fail(failed);
      return encodeStreamError(publicMessage(failed), idOf(body));
    } finally {
      if (pending !== undefined) this.#pending.delete(pending);
      if (record.unused !== undefined) this.#record.nameUnused(record.unused);
      record.end();
    }
  }

  /** What nothing used in any of the requests. */
  #trailers(): Metadata | undefined {
    const { warning } = this.#record;
    if (warning === undefined) return undefined;
    const metadata = new Metadata();
    metadata.set('warning', warning);
    return metadata;
  }

  /** Writes an answer, and waits until the caller has taken it. A caller that takes too long loses its connection. */
  async #write(bytes: Buffer): Promise<void> {
    if (this.#call.write(bytes)) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#call.off('drain', done);
        this.#call.off('cancelled', done);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#services.logger.info({ peer: this.#call.getPeer() }, 'a caller does not take the answers of its stream');
        this.#limits.endConnection(this.#call.getPeer());
        this.#giveUp(status.RESOURCE_EXHAUSTED);
        done();
      }, this.#limits.transferTimeoutMs);
      this.#call.on('drain', done);
      this.#call.on('cancelled', done);
    });
  }

  /** Ends the stream with an error. */
  #fail(error: unknown): void {
    if (this.#hasEnded) return;
    const failed = this.#record.fail(error);
    this.#giveUp(failed.code);
    this.#call.emit('error', failed);
  }

  #giveUp(code: status): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#record.end(code);
    for (const pending of this.#pending) pending.giveUp();
  }
}

/** The id of a request that failed, if it can be read. */
function idOf(body: Buffer): string | undefined {
  try {
    return readInferMessage(body).head.id;
  } catch (error) {
    if (error instanceof SconceError) return undefined;
    throw error;
  }
}
