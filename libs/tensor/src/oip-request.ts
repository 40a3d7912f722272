import type { BudgetLimit } from '@sconce/errors';
import { formatSpec, type ModelSignature, type Tensor, type TensorSpec } from './datatype.ts';
import { isNumeric } from './oip-classification.ts';
import { decodeTensors } from './oip-binary.ts';
import { formatSignature, parseInferHead, type InferHead, type OipParameters, type OutputHead } from './oip-head.ts';
import { decodeRawRequest } from './oip-raw.ts';
import { checkElements, checkJsonValues } from './decode-budget.ts';
import { matchesShape } from './shape.ts';
import { describeValue, quote, requestError, tensorError } from './tensor-error.ts';

/** An output that the answer must contain, and its form. */
export interface RequestedOutput {
  readonly name: string;
  /** True for binary data, false for JSON. */
  readonly binary: boolean;
  /** The number of best classes to answer instead of the values themselves. */
  readonly classification?: number;
}

/** A request that matches the signature of its model. */
export interface InferRequest {
  readonly id?: string;
  readonly parameters: OipParameters;
  /** In the order of the signature. */
  readonly inputs: readonly Tensor[];
  /** In the order of the answer. */
  readonly outputs: readonly RequestedOutput[];
  /** Parameters and fields that nothing uses, for a warning. Absent if there are none. */
  readonly unused?: readonly string[];
}

/**
 * Reads an inference request of the Open Inference Protocol v2 for a model with this signature. The body is JSON, or
 * JSON and binary tensors. Binary inputs are views into `body`. A `headerLength` of 0 means a raw binary request.
 *
 * Throws 'invalid_request' or 'invalid_tensor' with the field or input as `details.param`. The message has the expected
 * and the received value.
 */
export function decodeInferRequest(request: InferBody): InferRequest {
  const { body, headerLength, signature, budget } = request;
  if (headerLength === 0) {
    const decoded = decodeRawRequest(body, signature);
    checkElements(decoded.inputs, budget?.elements);
    return decoded;
  }
  checkJsonValues(headerLength === undefined ? body : body.subarray(0, headerLength), budget?.json_values);
  return bindInferHead(parseInferHead({ body, headerLength }), signature, budget);
}

/** The body of an inference request, and what it must agree with. */
export interface InferBody {
  readonly body: Uint8Array;
  readonly headerLength?: number | undefined;
  readonly signature: ModelSignature;
  readonly budget?: DecodeBudget | undefined;
  /** Only used for bodies that are decoded in steps. */
  readonly reserve?: ReserveBytes | undefined;
}

/** The parts of a request's budget that decoding checks. */
export interface DecodeBudget {
  readonly json_values?: BudgetLimit | undefined;
  readonly elements?: BudgetLimit | undefined;
}

/** Is told the bytes of the tensors that a large request needs besides its body, before they are made. What it throws refuses the request. */
export type ReserveBytes = (bytes: number) => void;

/** The second step of `decodeInferRequest`: compares a parsed head with a signature and decodes its tensors. */
export function bindInferHead(head: InferHead, signature: ModelSignature, budget?: DecodeBudget): InferRequest {
  const outputs = checkHead(head, signature, budget);
  const tensors = decodeTensors(head.inputs, head.binary, 'reject');
  return boundRequest(head, outputs, inOrder(tensors, signature.inputs));
}

/** Compares a head with the signature before its tensors are decoded. Returns the outputs of the answer. */
export function checkHead(head: InferHead, signature: ModelSignature, budget?: DecodeBudget): RequestedOutput[] {
  checkInputs(head.inputs, signature.inputs);
  checkElements(head.inputs, budget?.elements);
  return requestedOutputs(head, signature.outputs);
}

/** The request of a checked head. `inputs` are in the order of the signature. */
export function boundRequest(
  { id, parameters, unused }: InferHead,
  outputs: readonly RequestedOutput[],
  inputs: readonly Tensor[],
): InferRequest {
  // Absent, not undefined, if the request has no id.
  const request = id === undefined ? { parameters, inputs, outputs } : { id, parameters, inputs, outputs };
  return unused === undefined ? request : { ...request, unused };
}

/** The tensors in the order of the signature, which has the same names. Most callers send them so. */
export function inOrder(tensors: readonly Tensor[], signature: readonly TensorSpec[]): readonly Tensor[] {
  if (signature.every(({ name }, index) => tensors[index]?.name === name)) return tensors;
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  return signature.flatMap(({ name }) => byName.get(name) ?? []);
}

/**
 * Checks that the inputs are exactly those of the signature, in any order, each with its datatype and a matching shape.
 * Throws 'invalid_tensor' with the input's name and with the expected and the received value.
 */
export function checkInputs(inputs: readonly TensorSpec[], signature: readonly TensorSpec[]): void {
  if (areAsInSignature(inputs, signature)) return;
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

/** Whether the inputs are right and in the order of the signature. Then nothing is allocated to say what is wrong. */
function areAsInSignature(inputs: readonly TensorSpec[], signature: readonly TensorSpec[]): boolean {
  if (inputs.length !== signature.length) return false;
  return signature.every(({ name, datatype, shape }, index) => {
    const input = inputs[index];
    return input?.name === name && input.datatype === datatype && matchesShape(input.shape, shape);
  });
}

/** The outputs of the answer. Throws 'invalid_request' with the output's name if it is unknown or listed twice. */
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
    if (seen.has(name)) throw requestError(name, `output ${quote(name)} is requested twice; expected each output once`);
    seen.add(name);
    const binary = readBoolean(parameters, 'binary_data', name) ?? byDefault;
    return { name, binary, classification: readClassification(output, spec) };
  });
}

function readClassification(output: OutputHead, spec: TensorSpec): number | undefined {
  const classes = output.parameters['classification'];
  if (classes === undefined) return undefined;
  const { name } = output;
  if (typeof classes !== 'number' || !Number.isSafeInteger(classes) || classes < 1) {
    throw requestError(
      name,
      `output ${quote(name)}: parameters.classification is ${describeValue(classes)}; expected a whole number of at least 1`,
    );
  }
  if (!isNumeric(spec.datatype) || spec.shape.length === 0) {
    throw requestError(
      name,
      `output ${quote(name)} is ${formatSpec(spec)}; expected numbers with an axis of classes for parameters.classification`,
    );
  }
  return classes;
}

function readBoolean(parameters: OipParameters, key: string, param: string): boolean | undefined {
  const value = parameters[key];
  if (value === undefined || typeof value === 'boolean') return value;
  throw requestError(param, `${quote(param)}: parameter ${key} is ${describeValue(value)}; expected true or false`);
}
