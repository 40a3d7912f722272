import { checkTensor, encodeBytes } from './bytes-elements.ts';
import { DATATYPE_BYTES, formatSpec, type ModelSignature, type Tensor, type TensorSpec } from './datatype.ts';
import { formatSignature } from './oip-head.ts';
import type { InferRequest } from './oip-request.ts';
import { elementCount } from './shape.ts';
import { requestError, tensorError } from './tensor-error.ts';

/**
 * Decodes a raw binary request: the whole body is the data of the model's only input, and all outputs are answered as
 * binary.
 *
 * At most one axis of the input may be free. Its size follows from the number of bytes, so a single row is a batch of
 * one, as the protocol requires. BYTES must have shape [1] (a free axis counts as 1): the body is the one element,
 * without a length prefix. Throws 'invalid_request' if the model's signature does not allow such a request,
 * 'invalid_tensor' if the length of the body does not match.
 */
export function decodeRawRequest(body: Uint8Array, signature: ModelSignature): InferRequest {
  const request = rawRequest(body, signature);
  for (const tensor of request.inputs) checkTensor(tensor);
  return request;
}

/** As `decodeRawRequest`, but without a look at the data. */
export function rawRequest(body: Uint8Array, signature: ModelSignature): InferRequest {
  const [input] = signature.inputs;
  if (input === undefined || signature.inputs.length !== 1) {
    throw requestError(
      'inputs',
      `a raw binary request needs a model with exactly one input; this one has ${formatSignature(signature.inputs)}`,
    );
  }
  const tensor = input.datatype === 'BYTES' ? rawBytes(input, body) : rawNumbers(input, body);
  return {
    parameters: {},
    inputs: [tensor],
    outputs: signature.outputs.map(({ name }) => ({ name, binary: true })),
  };
}

function rawBytes(input: TensorSpec, body: Uint8Array): Tensor {
  const shape = input.shape.map((dimension) => (dimension === -1 ? 1 : dimension));
  checkFreeAxes(input);
  if (shape.length === 0 || shape.some((dimension) => dimension !== 1)) {
    throw requestError(input.name, `a raw binary request for BYTES needs shape [1]; the input is ${formatSpec(input)}`);
  }
  return { name: input.name, datatype: 'BYTES', shape, data: encodeBytes([body]) };
}

function rawNumbers(input: TensorSpec, body: Uint8Array): Tensor {
  const { name, datatype } = input;
  checkFreeAxes(input);
  const size =
    (DATATYPE_BYTES[datatype] ?? 1) *
    elementCount(
      input.shape.filter((dimension) => dimension !== -1),
      name,
    );
  const free = input.shape.includes(-1);
  const length = size === 0 ? 0 : body.length / size;
  if (free ? size === 0 || !Number.isInteger(length) : size !== body.length) {
    throw tensorError(
      name,
      `the raw binary body has ${body.length} bytes; ${formatSpec(input)} takes ${free ? `a multiple of ${size}` : size}`,
    );
  }
  const shape = input.shape.map((dimension) => (dimension === -1 ? length : dimension));
  return { name, datatype, shape, data: body };
}

function checkFreeAxes(input: TensorSpec): void {
  const free = input.shape.filter((dimension) => dimension === -1).length;
  if (free > 1) {
    throw requestError(
      input.name,
      `a raw binary request allows one free axis; the input is ${formatSpec(input)}, with ${free}: send the shape as JSON`,
    );
  }
}
