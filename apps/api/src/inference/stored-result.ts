import type { FastifyRequest } from 'fastify';
import type { JobRecord, StoredOutputs } from '@sconce/queue';
import { encodeBinaryHead, type PlacedTensor, type RequestedOutput } from '@sconce/tensor';
import { SconceError } from '@sconce/errors';
import { holdBytes } from '../http/request-hold.ts';
import { ByteGate } from './byte-gate.ts';
import { encodeResponse, type InferenceResult } from './prepared-inference.ts';

/** Large results that are in memory at once, to be written as JSON. Binary outputs are streamed from the blob store. */
const MAX_LOADED_BYTES = 192 * 1024 ** 2;

const loaded = new ByteGate(MAX_LOADED_BYTES);

/** The part of a request that its job keeps, to encode the answer. */
export interface JobAttachment {
  readonly id?: string;
  readonly requested: readonly RequestedOutput[];
}

/** The answer of a job whose result is in the blob store. @throws SconceError `job_not_found`, `queue_full`. */
export async function storedResult(
  job: JobRecord,
  stored: StoredOutputs,
): Promise<Pick<InferenceResult, 'response' | 'loadedBytes' | 'release'>> {
  const { id, requested } = job.attachment as JobAttachment;
  if (requested.every(({ binary, classification }) => binary && classification === undefined)) {
    const outputs = requested.map(({ name }) => outputOf(stored, name));
    const json = encodeBinaryHead({ model_name: job.model, model_version: job.version, id }, 'outputs', outputs);
    const binary = outputs.map((output) => ({ byteLength: output.byteLength, open: () => stored.stream(output) }));
    return { response: { json, binary } };
  }
  const release = await loaded.enter(stored.byteLength);
  try {
    const outputs = await stored.load();
    const response = await encodeResponse({ modelName: job.model, modelVersion: job.version, outputs, requested, id });
    return { response, loadedBytes: stored.byteLength, release };
  } catch (error) {
    release();
    throw error;
  }
}

/** A result that was loaded is held until it is sent. @throws SconceError as `Hold.set` does. */
export function holdResult(request: FastifyRequest, { loadedBytes, release }: InferenceResult): void {
  if (loadedBytes === undefined) return;
  try {
    holdBytes(request, loadedBytes);
  } catch (error) {
    release?.();
    throw error;
  }
}

function outputOf({ outputs }: StoredOutputs, name: string): PlacedTensor {
  const output = outputs.find((each) => each.name === name);
  if (output === undefined) throw new SconceError('internal', `The result has no output "${name}"`);
  return output;
}
