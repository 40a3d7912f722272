import { checkBooleans, checkBytesEnd, checkLength, checkTensor, skipElements } from '../bytes-elements.ts';
import type { Tensor } from '../datatype.ts';
import { checkElements, refuseJsonValues } from '../decode-budget.ts';
import { binaryData, checkNoSurplus, splitBody } from '../oip-binary.ts';
import { checkNotEmpty, readInferHead, readObject, type InferHead, type TensorHead } from '../oip-head.ts';
import { decodeJsonData } from '../oip-json.ts';
import { rawRequest } from '../oip-raw.ts';
import { boundRequest, checkHead, inOrder, type InferBody, type InferRequest } from '../oip-request.ts';
import { byteLength, elementCount } from '../shape.ts';
import { decodeJsonRange, isNested } from './json-data.ts';
import { JsonRange, parseJsonHead } from './json-head.ts';
import { STEP_BYTES, type Steps } from './steps.ts';

/** Elements of BYTES that one step takes. */
const STEP_ELEMENTS = 16_384;
/** Bytes of the length in front of an element of BYTES. */
const BYTES_LENGTH_BYTES = 4;

/** As `decodeInferRequest`, in steps: for large bodies. */
export function* decodeInferSteps(request: InferBody): Steps<InferRequest> {
  const { body, headerLength, signature, budget, reserve } = request;
  if (headerLength !== 0) {
    const head = yield* parseInferSteps({ body, headerLength, budget });
    return yield* bindInferSteps(head, { signature, budget, reserve });
  }
  const decoded = rawRequest(body, signature);
  checkElements(decoded.inputs, budget?.elements);
  for (const tensor of decoded.inputs) yield* checkTensorSteps(tensor);
  return decoded;
}

/** As `parseInferHead`, in steps. JSON data that are arrays stay text. */
export function* parseInferSteps({ body, headerLength, budget }: Omit<InferBody, 'signature'>): Steps<InferHead> {
  const { head, binary } = splitBody(body, headerLength);
  checkNotEmpty(head);
  const { json, values } = yield* parseJsonHead(head, 'inputs');
  const parsed = readInferHead(readObject(json, 'body'), binary);
  const jsonValues = values + dataValues(parsed.inputs);
  refuseJsonValues(jsonValues, budget?.json_values, false);
  return { ...parsed, jsonValues };
}

/** As `bindInferHead`, in steps. */
export function* bindInferSteps(
  head: InferHead,
  model: Pick<InferBody, 'signature' | 'budget' | 'reserve'>,
): Steps<InferRequest> {
  refuseJsonValues(head.jsonValues ?? 0, model.budget?.json_values, false);
  return yield* bindTensorSteps(head, model, () => {
    model.reserve?.(jsonTensorBytes(head.inputs));
    return bodyTensors(head);
  });
}

/** Bytes of the tensors that are made of JSON arrays which are still text. */
function jsonTensorBytes(inputs: readonly TensorHead[]): number {
  let bytes = 0;
  for (const { name, datatype, shape, data } of inputs) {
    if (!(data instanceof JsonRange)) continue;
    // Texts are not longer than their JSON.
    if (datatype === 'BYTES') bytes += BYTES_LENGTH_BYTES * elementCount(shape, name) + data.to - data.from;
    else bytes += byteLength(datatype, shape, name);
  }
  return bytes;
}

/**
 * Compares a head with a signature, and then reads its tensors with `read`: for protocols whose tensors are not in a body of HTTP. `read`
 * gives a checked tensor for each input of the head, in their order.
 */
export function* bindTensorSteps(
  head: InferHead,
  { signature, budget }: Pick<InferBody, 'signature' | 'budget'>,
  read: () => Steps<readonly Tensor[]>,
): Steps<InferRequest> {
  const outputs = checkHead(head, signature, budget);
  return boundRequest(head, outputs, inOrder(yield* read(), signature.inputs));
}

function* bodyTensors({ inputs, binary }: InferHead): Steps<Tensor[]> {
  const tensors: Tensor[] = [];
  let offset = 0;
  for (const input of inputs) {
    const { name, datatype, shape, data } = input;
    const bytes = binaryData(input, binary, offset);
    if (bytes !== undefined) {
      const tensor = { name, datatype, shape, data: bytes };
      yield* checkTensorSteps(tensor);
      offset += bytes.length;
      tensors.push(tensor);
    } else if (data instanceof JsonRange) {
      tensors.push(yield* decodeJsonRange({ name, datatype, shape }, data, 'reject'));
    } else {
      tensors.push(decodeJsonData({ name, datatype, shape }, data));
    }
    yield;
  }
  checkNoSurplus(binary, offset);
  return tensors;
}

/** As `checkTensor`, in steps. */
export function* checkTensorSteps(tensor: Tensor): Steps<void> {
  const { name, datatype, shape, data } = tensor;
  if (datatype === 'BYTES') {
    const count = elementCount(shape, name);
    let end = 0;
    for (let index = 0; index < count; index += STEP_ELEMENTS) {
      end = skipElements(data, { name, from: end, first: index, to: Math.min(count, index + STEP_ELEMENTS), count });
      yield;
    }
    checkBytesEnd(tensor, { end, count });
  } else if (datatype === 'BOOL') {
    checkLength(name, datatype, tensor);
    for (let from = 0; from < data.length; from += STEP_BYTES) {
      checkBooleans(data, { name, from, to: Math.min(data.length, from + STEP_BYTES) });
      yield;
    }
  } else {
    checkTensor(tensor);
  }
}

/** The JSON values of the data that are still text, as their shapes have them. */
function dataValues(inputs: readonly TensorHead[]): number {
  let values = 0;
  for (const { name, shape, data } of inputs) {
    if (!(data instanceof JsonRange)) continue;
    values += 1 + elementCount(shape, name);
    if (isNested(data, shape))
      for (let rank = 1; rank < shape.length; rank++) values += elementCount(shape.slice(0, rank));
  }
  return values;
}
