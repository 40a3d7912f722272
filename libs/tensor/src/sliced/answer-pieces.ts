import { isUtf8 } from 'node:buffer';
import type { FixedDatatype, Tensor } from '../datatype.ts';
import { encodeJsonData, refuseBinaryText } from '../oip-json.ts';
import { requestedTensor, type InferResponse } from '../oip-response.ts';
import { elementCount } from '../shape.ts';
import { classifySteps } from './classify-steps.ts';
import type { Steps } from './steps.ts';

/** Elements of a piece of JSON: some 100 µs of work. */
const PIECE_ELEMENTS = 4_096;
/** Bytes of BYTES in a piece. A longer element is cut. */
const PIECE_BYTES = 64 * 1024;
const PREFIX_BYTES = 4;

/** An answer that is written piece by piece. */
export interface AnswerPieces {
  /** The text of the JSON, in pieces of some 100 µs of work each. Some are empty. */
  readonly json: Generator<string, void, undefined>;
  /** The binary tensors that follow the JSON. */
  readonly binary: readonly Uint8Array[];
}

/** Elements of the outputs that become JSON. Many of them take long to write. */
export function jsonElements({ outputs, requested }: Pick<InferResponse, 'outputs' | 'requested'>): number {
  let elements = 0;
  for (const { name, binary, classification } of requested) {
    const tensor = outputs.find((output) => output.name === name);
    if (tensor === undefined || (binary && classification === undefined)) continue;
    elements += tensor.datatype === 'BYTES' ? tensor.data.length / PREFIX_BYTES : elementCount(tensor.shape);
  }
  return elements;
}

/**
 * As `encodeInferParts`, for large answers: first checks and classifies the outputs, in steps, then gives the JSON in pieces. Whatever can be
 * wrong is thrown by the steps, so that no piece has been sent by then.
 */
export function* beginAnswer(response: InferResponse): Steps<AnswerPieces> {
  const entries: { readonly tensor: Tensor; readonly binary: boolean }[] = [];
  for (const output of response.requested) {
    const { binary, classification } = output;
    const tensor = requestedTensor(response, output);
    if (!binary && classification === undefined && tensor.datatype === 'BYTES') yield* checkText(tensor);
    entries.push({
      tensor: classification === undefined ? tensor : yield* classifySteps(tensor, classification),
      binary,
    });
  }
  const { modelName: model_name, modelVersion: model_version, id, parameters } = response;
  const head = JSON.stringify({ model_name, model_version, id, parameters });
  return {
    json: jsonPieces(head, entries),
    binary: entries.filter(({ binary }) => binary).map(({ tensor }) => tensor.data),
  };
}

function* jsonPieces(
  head: string,
  entries: readonly { readonly tensor: Tensor; readonly binary: boolean }[],
): Generator<string, void, undefined> {
  yield `${head.slice(0, -1)},"outputs":[`;
  for (const [index, { tensor, binary }] of entries.entries()) {
    const { name, datatype, shape, data } = tensor;
    if (index > 0) yield ',';
    if (binary) {
      yield JSON.stringify({ name, datatype, shape, parameters: { binary_data_size: data.length } });
      continue;
    }
    yield `${JSON.stringify({ name, datatype, shape }).slice(0, -1)},"data":[`;
    if (datatype === 'BYTES') yield* textPieces(tensor);
    else yield* numberPieces(tensor, datatype);
    yield ']}';
  }
  yield ']}';
}

/** The elements, which commas separate, without brackets. */
function* numberPieces({ name, shape, data }: Tensor, datatype: FixedDatatype): Generator<string, void, undefined> {
  const count = elementCount(shape, name);
  const size = count === 0 ? 0 : data.length / count;
  for (let from = 0; from < count; from += PIECE_ELEMENTS) {
    const elements = Math.min(PIECE_ELEMENTS, count - from);
    const piece = data.subarray(from * size, (from + elements) * size);
    const text = encodeJsonData({ name, datatype, shape: [elements], data: piece }, 'allow');
    yield (from === 0 ? '' : ',') + text.slice(1, -1);
  }
}

/** Walks over the elements of BYTES, some per step. Makes no objects of them. */
function* textPieces({ data }: Tensor): Generator<string, void, undefined> {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  let piece = '';
  for (let at = 0; at < bytes.length;) {
    const from = at + PREFIX_BYTES;
    const to = from + bytes.readUInt32LE(at);
    piece += at === 0 ? '"' : ',"';
    for (let start = from; start < to;) {
      const cut = endOfText(bytes, start, to);
      // Without the quotes around it.
      piece += JSON.stringify(bytes.toString('utf8', start, cut)).slice(1, -1);
      start = cut;
      if (piece.length >= PIECE_BYTES) {
        yield piece;
        piece = '';
      }
    }
    piece += '"';
    at = to;
  }
  yield piece;
}

/** A position at most 64 KiB behind `from` that is not inside a character. */
function endOfText(bytes: Buffer, from: number, to: number): number {
  let cut = Math.min(to, from + PIECE_BYTES);
  while (cut < to && ((bytes[cut] ?? 0) & 0xc0) === 0x80) cut -= 1;
  return cut;
}

function* checkText({ name, data }: Tensor): Steps<void> {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  let nextStep = PIECE_BYTES;
  for (let at = 0, index = 0; at < bytes.length; index++) {
    const from = at + PREFIX_BYTES;
    at = from + bytes.readUInt32LE(at);
    if (at > from && !isUtf8(bytes.subarray(from, at))) throw refuseBinaryText(name, index);
    if (index % PIECE_ELEMENTS === 0 || at > nextStep) {
      nextStep = at + PIECE_BYTES;
      yield;
    }
  }
}
