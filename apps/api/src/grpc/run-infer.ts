import { SconceError } from '@sconce/errors';
import type { InferenceAnswer, PendingRequest } from '@sconce/queue';
import type { RequestTrace } from '@sconce/telemetry';
import { ownMemory } from '@sconce/process/memory';
import { runToEnd, type Tensor } from '@sconce/tensor';
import { HELD_FROM_BYTES } from '../http/held-bytes.ts';
import { slices } from '../http/slices.ts';
import { expectedAnswerBytes, freeAnswer, learnAnswerBytes, tensorBytes } from '../inference/answer-bytes.ts';
import type { OnlineCall } from '../inference/inference-call.ts';
import type { PreparedInference } from '../inference/prepared-inference.ts';
import type { CallRecord } from './call-record.ts';
import { answerTensors, encodeAnswer } from './codec/answer-message.ts';
import { readInferMessage } from './codec/infer-message.ts';
import type { GrpcServices } from './grpc-services.ts';

/** An infer request that is under way. */
export interface InferRun {
  readonly services: GrpcServices;
  readonly record: CallRecord;
  /** The trace, if its spans are recorded. */
  readonly recorded: RequestTrace | undefined;
  /** The message. */
  readonly body: Buffer;
  /** Whether the caller has gone. */
  readonly isGone: () => boolean;
  /** Gets what gives the request up. */
  readonly onBegun: (pending: PendingRequest) => void;
  /** Time after which the caller does not wait any more, ms from now. */
  readonly maxWaitMs: number | undefined;
}

/** What becomes of a request: an answer or an error, once. */
export interface InferEnd {
  readonly onAnswer: (prepared: PreparedInference, answer: InferenceAnswer) => void;
  readonly onError: (thrown: unknown) => void;
}

/** Runs a request. The usual one goes without a promise, as over HTTP (ADR 28). Never throws. */
export function runInfer(run: InferRun, { onAnswer, onError }: InferEnd): void {
  const { services, record, recorded, body, isGone, onBegun, maxWaitMs } = run;
  const { inference } = services;
  try {
    if (body.byteLength >= HELD_FROM_BYTES) {
      // grpc-js joined the message from several frames, so it has memory of its own.
      ownMemory(body);
      record.holdBytes(body.byteLength);
    }
    const message = readInferMessage(body);
    const { owner, keyBudget, hold } = record;
    const reserve = hold === undefined ? undefined : (bytes: number): void => hold.add(bytes);
    const call: OnlineCall = { body, message, owner, keyBudget, maxWaitMs, reserve };
    const begin = (prepared: PreparedInference): void => {
      if (isGone()) throw new SconceError('job_cancelled', 'The request was cancelled.');
      record.nameModel(prepared.manifest.name);
      if (prepared.request.unused !== undefined) record.nameUnused(prepared.request.unused);
      holdExpected(prepared, record);
      const end = (answer: InferenceAnswer): void => {
        try {
          inference.checkAnswer(answer, keyBudget);
          holdAnswer(prepared, answer, record);
          onAnswer(prepared, answer);
        } catch (error) {
          onError(error);
        }
      };
      const fail = (thrown: unknown): void => {
        inference.countFailure(prepared, thrown, record.elapsedMs);
        onError(thrown);
      };
      if (recorded === undefined)
        onBegun(inference.begin({ prepared, call }, undefined, { onAnswer: end, onError: fail }));
      else inference.traced({ prepared, call }, recorded, onBegun).then(({ answer }) => end(answer), onError);
    };
    const prepared = inference.prepare(call, { model: message.modelName, version: message.modelVersion });
    if (prepared instanceof Promise) prepared.then(begin).catch(onError);
    else begin(prepared);
  } catch (error) {
    onError(error);
  }
}

/** While an answer is sent, grpc-js has a copy of it. */
const COPIES = 2;

/** Holds the bytes of the inputs and, as far as they are known, of the answer. @throws SconceError as `Hold.set` does. */
function holdExpected(prepared: PreparedInference, record: CallRecord): void {
  const expected = COPIES * expectedAnswerBytes(prepared);
  if (record.hold === undefined && expected < HELD_FROM_BYTES) return;
  record.holdBytes(tensorBytes(prepared.request.inputs) + expected);
}

/** Holds the bytes of the answer until it is sent. @throws SconceError as `Hold.set` does. */
function holdAnswer({ manifest }: PreparedInference, answer: InferenceAnswer, record: CallRecord): void {
  const bytes = COPIES * learnAnswerBytes(manifest, answer.outputs);
  if (record.hold === undefined && bytes < HELD_FROM_BYTES) return;
  try {
    record.holdBytes(bytes);
  } catch (error) {
    freeAnswer(answer);
    throw error;
  }
}

/** Writes an answer, and frees the memory of its outputs. A promise if outputs have to be ranked, which may take long. */
export function writeAnswer(
  { manifest, request }: PreparedInference,
  answer: InferenceAnswer,
  options: { readonly inStream: boolean },
): Buffer | Promise<Buffer> {
  const { outputs } = answer;
  const { name: modelName, version: modelVersion } = manifest;
  const head = { modelName, modelVersion, id: request.id };
  const steps = answerTensors({ ...head, outputs, requested: request.outputs });
  const encode = (tensors: readonly Tensor[]): Buffer => {
    const bytes = encodeAnswer(head, tensors, options);
    if (bytes.byteLength >= HELD_FROM_BYTES) freeAnswer(answer);
    return bytes;
  };
  return request.outputs.some(({ classification }) => classification !== undefined)
    ? Promise.resolve(slices.run(steps)).then(encode)
    : encode(runToEnd(steps));
}

/** Time until the deadline of a call, ms; undefined if it has none. */
export function waitOf(deadline: Date | number): number | undefined {
  const atMs = typeof deadline === 'number' ? deadline : deadline.getTime();
  return Number.isFinite(atMs) ? Math.max(0, atMs - Date.now()) : undefined;
}
