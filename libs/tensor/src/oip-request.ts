import { formatSpec, type ModelSignature, type Tensor, type TensorSpec } from './datatype.ts';
import { isNumeric } from './oip-classification.ts';
import { decodeTensors } from './oip-binary.ts';
import { formatSignature, parseInferHead, type InferHead, type OipParameters, type OutputHead } from './oip-head.ts';
import { decodeRawRequest } from './oip-raw.ts';
import { matchesShape } from './shape.ts';
import { describe, quote, requestError, tensorError } from './tensor-error.ts';

/** An output to answer, and how: as binary or as JSON, as it is or as the `classification` best classes. */
export interface RequestedOutput {
  readonly name: string;
  readonly binary: boolean;
  readonly classification?: number;
}

/** A request that fits its model. */
export interface InferRequest {
  readonly id?: string;
  readonly parameters: OipParameters;
  /** In the signature's order, whatever the request's. */
  readonly inputs: readonly Tensor[];
  /** In the order to answer. */
  readonly outputs: readonly RequestedOutput[];
}

/**
 * Reads an inference request of the Open Inference Protocol v2, JSON or with the binary tensor extension, for a model
 * with this signature. Binary inputs are views into `body`. A `headerLength` of 0 makes it a raw binary request.
 *
 * Throws 'invalid_request' or 'invalid_tensor' with the field or input as `details.param`; the message says what was
 * expected and what came.
 */
export function decodeInferRequest(request: {
  readonly body: Uint8Array;
  readonly headerLength?: number | undefined;
  readonly signature: ModelSignature;
}): InferRequest {
  const { body, headerLength, signature } = request;
  if (headerLength === 0) return decodeRawRequest(body, signature);
  return bindInferHead(parseInferHead({ body, headerLength }), signature);
}

/** The second half of `decodeInferRequest`: compares a parsed head with a signature, then decodes its tensors. */
export function bindInferHead(head: InferHead, signature: ModelSignature): InferRequest {
  checkInputs(head.inputs, signature.inputs);
  const outputs = requestedOutputs(head, signature.outputs);
  const byName = new Map(decodeTensors(head.inputs, head.binary, 'reject').map((tensor) => [tensor.name, tensor]));
  return {
    ...(head.id === undefined ? {} : { id: head.id }),
    parameters: head.parameters,
    inputs: signature.inputs.flatMap(({ name }) => byName.get(name) ?? []),
    outputs,
  };
}

/**
 * Checks that a request's inputs are exactly the signature's, in any order, each with its datatype and a shape that
 * fits. Throws 'invalid_tensor', naming the input, what was expected and what came.
 */
export function checkInputs(inputs: readonly TensorSpec[], signature: readonly TensorSpec[]): void {
  const expected = new Map(signature.map((spec) => [spec.name, spec]));
  const seen = new Set<string>();
  for (const input of inputs) {
    const { name } = input;
    const spec = expected.get(name);
    if (spec === undefined) {
      throw tensorError(name, `the model has no such input; expected ${formatSignature(signature)}`);
    }
    if (seen.has(name)) throw tensorError(name, 'is given twice; expected each input once');
    seen.add(name);
    if (input.datatype !== spec.datatype) {
      throw tensorError(name, `has datatype ${input.datatype}; expected ${spec.datatype}, as in ${formatSpec(spec)}`);
    }
    if (!matchesShape(input.shape, spec.shape)) {
      throw tensorError(name, `has shape ${formatSpec(input)}; expected ${formatSpec(spec)}, where -1 is any size`);
    }
  }
  for (const spec of signature) {
    if (!seen.has(spec.name)) throw tensorError(spec.name, `is missing; expected ${formatSpec(spec)}`);
  }
}

/** The outputs to answer. Throws 'invalid_request', naming the output, for one that is unknown or listed twice. */
function requestedOutputs(head: InferHead, signature: readonly TensorSpec[]): RequestedOutput[] {
  const byDefault = readBoolean(head.parameters, 'binary_data_output', 'parameters') ?? false;
  if (head.outputs === undefined) return signature.map(({ name }) => ({ name, binary: byDefault }));
  const expected = new Map(signature.map((spec) => [spec.name, spec]));
  const seen = new Set<string>();
  return head.outputs.map((output) => {
    const { name, parameters } = output;
    const spec = expected.get(name);
    if (spec === undefined) {
      throw requestError(name, `the model has no output ${quote(name)}; expected ${formatSignature(signature)}`);
    }
    if (seen.has(name)) throw requestError(name, `output ${quote(name)} is asked for twice; expected each output once`);
    seen.add(name);
    const binary = readBoolean(parameters, 'binary_data', name) ?? byDefault;
    return { name, binary, ...readClassification(output, spec) };
  });
}

function readClassification(output: OutputHead, spec: TensorSpec): { classification?: number } {
  const classes = output.parameters['classification'];
  if (classes === undefined) return {};
  const { name } = output;
  if (typeof classes !== 'number' || !Number.isSafeInteger(classes) || classes < 1) {
    throw requestError(
      name,
      `output ${quote(name)}: parameters.classification is ${describe(classes)}; expected a whole number from 1`,
    );
  }
  if (!isNumeric(spec.datatype) || spec.shape.length === 0) {
    throw requestError(
      name,
      `output ${quote(name)} is ${formatSpec(spec)}; expected numbers with an axis of classes for parameters.classification`,
    );
  }
  return { classification: classes };
}

function readBoolean(parameters: OipParameters, key: string, param: string): boolean | undefined {
  const value = parameters[key];
  if (value === undefined || typeof value === 'boolean') return value;
  throw requestError(param, `${quote(param)}: parameter ${key} is ${describe(value)}; expected true or false`);
}
