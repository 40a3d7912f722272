import type { RequestTiming } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import type { ReadyManifest } from '@sconce/models';
import { checkRowsAgree, priorityOf, type InferenceRequest } from '@sconce/queue';
import {
  beginAnswer,
  encodeInferParts,
  jsonElements,
  type AnswerPieces,
  type InferRequest,
  type InferResponse,
  type OipBodyParts,
  type Tensor,
} from '@sconce/tensor';
import { slices } from '../http/slices.ts';

/** Writing so many elements takes about 2 ms (measured). */
const MAX_ELEMENTS_AT_ONCE = 16_384;

/** A checked request for a model that is ready. */
export interface PreparedInference {
  readonly manifest: ReadyManifest;
  readonly request: InferRequest;
}

/** Bytes that are read when they are sent. */
export interface StreamedBytes {
  readonly byteLength: number;
  open(): Promise<AsyncIterable<Uint8Array>>;
}

/** An answer whose binary outputs are read when they are sent. */
export interface StreamedAnswer {
  readonly json: string;
  readonly binary: readonly StreamedBytes[];
}

/** An answer in the form of the protocol. */
export interface InferenceResult {
  readonly response: OipBodyParts | AnswerPieces | StreamedAnswer;
  readonly timing: RequestTiming;
  /** Bytes of outputs that were loaded into memory to be written. */
  readonly loadedBytes?: number;
  /** To be called when the answer has been sent, or its caller has gone. */
  readonly release?: () => void;
}

/** Checks a decoded request. @throws SconceError `invalid_tensor` if inputs have different numbers of rows. */
export function prepareInference(manifest: ReadyManifest, request: InferRequest): PreparedInference {
  checkRowsAgree(request.inputs, manifest.batch);
  return { manifest, request };
}

/** The request as the producer takes it. @throws SconceError `invalid_request` for a wrong `priority`. */
export function queueRequest(
  { manifest, request }: PreparedInference,
  { owner, trace, maxOutputBytes }: Pick<InferenceRequest, 'owner' | 'trace' | 'maxOutputBytes'>,
): InferenceRequest {
  return {
    model: manifest.name,
    version: manifest.version,
    pool: manifest.pool,
    inputs: request.inputs,
    outputs: request.outputs.map((output) => output.name),
    ...priorityOf(request.parameters['priority']),
    owner,
    trace,
    maxOutputBytes,
  };
}

/** Encodes the outputs as the request asked for them. */
export function encodeAnswer(
  { manifest, request }: PreparedInference,
  outputs: readonly Tensor[],
): OipBodyParts | AnswerPieces | Promise<AnswerPieces> {
  const { outputs: requested, id } = request;
  return encodeResponse({ modelName: manifest.name, modelVersion: manifest.version, outputs, requested, id });
}

/** Encodes a response at once, or, if its JSON is large, in slices. */
export function encodeResponse(response: InferResponse): OipBodyParts | AnswerPieces | Promise<AnswerPieces> {
  return jsonElements(response) <= MAX_ELEMENTS_AT_ONCE
    ? encodeInferParts(response)
    : slices.run(beginAnswer(response));
}

/** When the caller stops waiting, epoch ms: after its `timeout`, but at most `defaultMs` from now. @throws SconceError `invalid_request`. */
export function deadlineOf({ request }: PreparedInference, defaultMs: number): number {
  return Date.now() + timeoutMs(request.parameters, defaultMs);
}

/** The request parameter `timeout` (microseconds, as in Triton's schedule policy) in ms, at most `defaultMs`. */
export function timeoutMs(parameters: InferRequest['parameters'], defaultMs: number): number {
  const timeout = parameters['timeout'];
  if (timeout === undefined || timeout === 0) return defaultMs;
  if (typeof timeout !== 'number' || !Number.isSafeInteger(timeout) || timeout < 0) {
    throw new SconceError('invalid_request', `Parameter "timeout" must be a whole number of microseconds.`, {
      details: { param: 'timeout' },
    });
  }
  return Math.min(timeout / 1_000, defaultMs);
}
