import { classifySteps, requestedTensor, type InferResponse, type Steps, type Tensor } from '@sconce/tensor';

const BYTES = 2;
const MODEL_NAME = 1;
const MODEL_VERSION = 2;
const ID = 3;
const OUTPUTS = 5;
const RAW_OUTPUTS = 6;
/** Fields of InferOutputTensor. */
const NAME = 1;
const DATATYPE = 2;
const SHAPE = 3;
/** Fields of ModelStreamInferResponse. */
const ERROR_MESSAGE = 1;
const INFER_RESPONSE = 2;

/** The requested outputs of a response, classified where the request says so, in steps. */
export function* answerTensors(response: InferResponse): Steps<Tensor[]> {
  const tensors: Tensor[] = [];
  for (const output of response.requested) {
    const tensor = requestedTensor(response, output);
    tensors.push(output.classification === undefined ? tensor : yield* classifySteps(tensor, output.classification));
  }
  return tensors;
}

/** What a ModelInferResponse says besides its tensors. */
export type AnswerHead = Pick<InferResponse, 'modelName' | 'modelVersion' | 'id'>;

/**
 * Writes a ModelInferResponse with raw contents, or, with `inStream`, a ModelStreamInferResponse that has one. Its bytes are copied once.
 */
export function encodeAnswer(head: AnswerHead, tensors: readonly Tensor[], { inStream = false } = {}): Buffer {
  const size = new Writer();
  writeAnswer(size, head, tensors);
  const bytes = size.length;
  const writer = new Writer(Buffer.allocUnsafe(inStream ? bytes + 1 + varintBytes(bytes) : bytes));
  if (inStream) writer.begin(INFER_RESPONSE, bytes);
  writeAnswer(writer, head, tensors);
  return writer.buffer;
}

/** Writes a ModelStreamInferResponse for a request that failed. */
export function encodeStreamError(message: string, id: string | undefined): Buffer {
  const size = new Writer();
  size.text(ID, id);
  const body = size.length;
  size.text(ERROR_MESSAGE, message);
  size.begin(INFER_RESPONSE, body);
  const writer = new Writer(Buffer.allocUnsafe(size.length));
  writer.text(ERROR_MESSAGE, message);
  writer.begin(INFER_RESPONSE, body);
  writer.text(ID, id);
  return writer.buffer;
}

function writeAnswer(writer: Writer, { modelName, modelVersion, id }: AnswerHead, tensors: readonly Tensor[]): void {
  writer.text(MODEL_NAME, modelName);
  writer.text(MODEL_VERSION, modelVersion);
  writer.text(ID, id);
  for (const tensor of tensors) {
    writer.begin(OUTPUTS, headBytes(tensor));
    writeHead(writer, tensor);
  }
  for (const { data } of tensors) writer.bytes(RAW_OUTPUTS, data);
}

function headBytes(tensor: Tensor): number {
  const size = new Writer();
  writeHead(size, tensor);
  return size.length;
}

function writeHead(writer: Writer, { name, datatype, shape }: Tensor): void {
  writer.text(NAME, name);
  writer.text(DATATYPE, datatype);
  if (shape.length === 0) return;
  writer.begin(
    SHAPE,
    shape.reduce((sum, dimension) => sum + varintBytes(dimension), 0),
  );
  for (const dimension of shape) writer.varint(dimension);
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes += 1;
  return bytes;
}

/** Writes fields one after another. Without a buffer it only counts their bytes. */
class Writer {
  readonly #into: Buffer | undefined;
  /** Bytes written. */
  length = 0;

  constructor(into?: Buffer) {
    this.#into = into;
  }

  get buffer(): Buffer {
    return this.#into ?? Buffer.alloc(0);
  }

  /** @param value a whole number from 0 to 2^53-1. */
  varint(value: number): void {
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#byte((rest % 0x80) | 0x80);
    this.#byte(rest);
  }

  /** Begins a field of so many bytes, which follow. */
  begin(field: number, bytes: number): void {
    this.varint((field << 3) | BYTES);
    this.varint(bytes);
  }

  /** Writes nothing for an empty text, which is protobuf's default. */
  text(field: number, value: string | undefined): void {
    if (value === undefined || value === '') return;
    const bytes = Buffer.byteLength(value);
    this.begin(field, bytes);
    this.#into?.write(value, this.length);
    this.length += bytes;
  }

  bytes(field: number, data: Uint8Array): void {
    this.begin(field, data.length);
    this.#into?.set(data, this.length);
    this.length += data.length;
  }

  #byte(byte: number): void {
    if (this.#into !== undefined) this.#into[this.length] = byte;
    this.length += 1;
  }
}
