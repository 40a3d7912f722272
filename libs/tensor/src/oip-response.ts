import { SconceError } from '@sconce/errors';
import type { Tensor } from './datatype.ts';
import { encodeBody, type OipBody } from './oip-body.ts';
import { classify } from './oip-classification.ts';
import type { OipParameters } from './oip-head.ts';
import type { RequestedOutput } from './oip-request.ts';

/** What a model answered and what the client asked for. */
export interface InferResponse {
  readonly modelName: string;
  readonly modelVersion?: string;
  /** The request's id; echoed only if it had one. */
  readonly id?: string | undefined;
  readonly parameters?: OipParameters;
  /** At least the requested outputs, in any order. */
  readonly outputs: readonly Tensor[];
  readonly requested: readonly RequestedOutput[];
}

/**
 * Writes an inference response of the Open Inference Protocol v2: the requested outputs in the order requested, each as
 * flat JSON or as binary. In JSON, NaN is null and ±Infinity ±1e999 (`encodeJsonData` says why). Copies the data.
 *
 * Throws 'invalid_request', naming the output, for BYTES that are not UTF-8 in JSON and for a classification of what
 * is not numeric; 'payload_too_large' for JSON too long to write; 'internal' where an output is missing.
 */
export function encodeInferResponse(response: InferResponse): OipBody {
  const { modelName, modelVersion, id, parameters, requested } = response;
  const byName = new Map(response.outputs.map((tensor) => [tensor.name, tensor]));
  return encodeBody({
    fields: { model_name: modelName, model_version: modelVersion, id, parameters },
    key: 'outputs',
    tensors: requested.map(({ name, binary, classification }) => {
      const tensor = byName.get(name);
      if (tensor === undefined) {
        throw new SconceError('internal', `the run gave no output ${JSON.stringify(name)}, which was requested`, {
          details: { param: name },
        });
      }
      return { tensor: classification === undefined ? tensor : classify(tensor, classification), binary };
    }),
    nonFinite: 'allow',
  });
}
