import { SconceError } from '@sconce/errors';
import type { Tensor } from './datatype.ts';
import { encodeParts, joinBody, type OipBody, type OipBodyParts } from './oip-body.ts';
import { classify } from './oip-classification.ts';
import type { OipParameters } from './oip-head.ts';
import type { RequestedOutput } from './oip-request.ts';

/** The results of a model and the form in which the client requested them. */
export interface InferResponse {
  readonly modelName: string;
  readonly modelVersion?: string;
  /** The id of the request. The response contains it only if the request had one. */
  readonly id?: string | undefined;
  readonly parameters?: OipParameters;
  /** At least the requested outputs, in any order. */
  readonly outputs: readonly Tensor[];
  readonly requested: readonly RequestedOutput[];
}

/**
 * Writes an inference response of the Open Inference Protocol v2: the requested outputs in their order, each as flat JSON
 * or as binary. In JSON, NaN is null and infinities are strings (see `encodeJsonData`). Copies the data.
 *
 * Throws 'invalid_request' with the output's name if BYTES for JSON are not UTF-8 and if an output to classify is not
 * numeric; 'payload_too_large' if the JSON is too long to write; 'internal' if an output is missing.
 */
export function encodeInferResponse(response: InferResponse): OipBody {
  return joinBody(encodeInferParts(response));
}

/** As `encodeInferResponse`, but leaves the parts apart and does not copy binary outputs. */
export function encodeInferParts(response: InferResponse): OipBodyParts {
  const { modelName, modelVersion, id, parameters, requested } = response;
  return encodeParts({
    fields: { model_name: modelName, model_version: modelVersion, id, parameters },
    key: 'outputs',
    tensors: requested.map((output) => {
      const { binary, classification } = output;
      const tensor = requestedTensor(response, output);
      return { tensor: classification === undefined ? tensor : classify(tensor, classification), binary };
    }),
    nonFinite: 'allow',
  });
}

/** The output of the response that was requested, not classified yet. Throws 'internal' if it is missing. */
export function requestedTensor({ outputs }: Pick<InferResponse, 'outputs'>, { name }: RequestedOutput): Tensor {
  const tensor = outputs.find((output) => output.name === name);
  if (tensor !== undefined) return tensor;
  throw new SconceError('internal', `the run gave no output ${JSON.stringify(name)}, which was requested`, {
    details: { param: name },
  });
}
