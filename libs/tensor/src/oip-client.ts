import type { Tensor } from './datatype.ts';
import { checkTensor } from './bytes-elements.ts';
import { decodeTensors, splitBody } from './oip-binary.ts';
import { encodeBody, type OipBody } from './oip-body.ts';
import { parseObject, readId, readParameters, readTensorHead, type OipParameters } from './oip-head.ts';
import { describeValue, requestError } from './tensor-error.ts';

/** An inference request to encode. */
export interface InferCall {
  readonly id?: string;
  readonly inputs: readonly Tensor[];
  /** The outputs to request. Default: all. `binary` of an output overrides `binary` of the call. */
  readonly outputs?: readonly { readonly name: string; readonly binary?: boolean; readonly classification?: number }[];
  /** True to send inputs and receive outputs as binary, false for JSON. */
  readonly binary: boolean;
  readonly parameters?: OipParameters;
  /** Further top-level fields, such as `model` of a job submission. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** A decoded inference response. */
export interface InferAnswer {
  readonly modelName: string;
  readonly modelVersion?: string;
  readonly id?: string;
  readonly parameters: OipParameters;
  readonly outputs: readonly Tensor[];
}

/**
 * Writes an inference request. Throws 'invalid_tensor' if the data of a tensor does not match its shape, and for NaN and
 * infinities in JSON, which a server refuses. Throws 'invalid_request' for BYTES in JSON that are not UTF-8.
 */
export function encodeInferRequest(call: InferCall): OipBody {
  const { id, inputs, outputs, binary, parameters, extra } = call;
  for (const tensor of inputs) checkTensor(tensor);
  const allParameters = { ...parameters, ...(binary ? { binary_data_output: true } : {}) };
  return encodeBody({
    fields: {
      ...extra,
      id,
      parameters: Object.keys(allParameters).length > 0 ? allParameters : undefined,
      outputs: outputs?.map((output) => ({
        name: output.name,
        parameters: { binary_data: output.binary ?? binary, classification: output.classification },
      })),
    },
    key: 'inputs',
    tensors: inputs.map((tensor) => ({ tensor, binary })),
    nonFinite: 'reject',
  });
}

/**
 * Reads an inference response: JSON, or JSON and binary outputs. `headerLength` is the value of the header
 * Inference-Header-Content-Length. Binary outputs are views into `body`. Throws 'invalid_request' or 'invalid_tensor', as
 * for a request, if the body is not a valid response.
 */
export function decodeInferResponse(body: Uint8Array, headerLength?: number): InferAnswer {
  const { head, binary } = splitBody(body, headerLength);
  const { model_name: modelName, model_version: modelVersion, id, parameters, outputs } = parseObject(head);
  if (typeof modelName !== 'string') {
    throw requestError('model_name', `model_name is ${describeValue(modelName)}; expected a string`);
  }
  if (!Array.isArray(outputs)) throw requestError('outputs', `outputs is ${describeValue(outputs)}; expected an array`);
  const heads = outputs.map((output: unknown, index) => readTensorHead(output, `outputs[${index}]`));
  return {
    modelName,
    modelVersion: typeof modelVersion === 'string' ? modelVersion : undefined,
    id: readId(id),
    parameters: readParameters(parameters, 'parameters'),
    outputs: decodeTensors(heads, binary, 'allow'),
  };
}
