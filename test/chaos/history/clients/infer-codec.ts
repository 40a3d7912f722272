import type { AnswerEvent, Tensors } from '../events.ts';
import { modelNamed, type ModelInput, type ModelName } from '../models.ts';
import type { HttpAnswer, HttpRequest } from './http-call.ts';

// The protocol's two forms, written here again on purpose: a fault that the product's codecs share would not show otherwise.

interface Header {
  readonly model_version?: string;
  readonly outputs?: readonly {
    readonly datatype: string;
    readonly data?: readonly number[];
    readonly parameters?: { readonly binary_data_size?: number };
  }[];
}

const HEADER_LENGTH = 'inference-header-content-length';

/** The inputs of a request as the protocol's JSON. */
export function jsonInputs(model: ModelName, inputs: Tensors): object[] {
  return modelNamed(model).inputs.map((input, index) => {
    const data = inputs[index] ?? [];
    return { name: input.name, datatype: input.datatype, shape: shapeOf(input, data), data };
  });
}

/** Body and headers of an infer request. */
export function encodeInfer(
  model: ModelName,
  inputs: Tensors,
  { binary, timeoutMs }: { readonly binary: boolean; readonly timeoutMs: number },
): Pick<HttpRequest, 'headers' | 'body'> {
  // The protocol counts microseconds.
  const parameters = { timeout: timeoutMs * 1_000, ...(binary ? { binary_data_output: true } : {}) };
  if (!binary) {
    const body = JSON.stringify({ inputs: jsonInputs(model, inputs), parameters });
    return { headers: { 'content-type': 'application/json' }, body };
  }
  const tails = modelNamed(model).inputs.map((input, index) => bytesOf(input, inputs[index] ?? []));
  const described = modelNamed(model).inputs.map((input, index) => ({
    name: input.name,
    datatype: input.datatype,
    shape: shapeOf(input, inputs[index] ?? []),
    parameters: { binary_data_size: tails[index]?.byteLength },
  }));
  const header = Buffer.from(JSON.stringify({ inputs: described, parameters }));
  return {
    headers: { 'content-type': 'application/octet-stream', [HEADER_LENGTH]: String(header.byteLength) },
    body: Buffer.concat([header, ...tails]),
  };
}

/** Outputs and version of an answer, in JSON or binary. */
export function decodeInfer({ headers, body }: HttpAnswer): Pick<AnswerEvent, 'outputs' | 'version'> {
  const length = Number(headers[HEADER_LENGTH] ?? body.byteLength);
  const header = JSON.parse(body.subarray(0, length).toString()) as Header;
  let at = length;
  const outputs = (header.outputs ?? []).map(({ datatype, data, parameters }) => {
    if (data !== undefined) return data;
    const bytes = body.subarray(at, (at += parameters?.binary_data_size ?? 0));
    return numbersOf(datatype, bytes);
  });
  return { outputs, version: Number(header.model_version) };
}

function shapeOf(input: ModelInput, data: readonly number[]): readonly number[] {
  return input.shape(data.length / input.width);
}

function bytesOf({ datatype }: ModelInput, data: readonly number[]): Uint8Array {
  if (datatype === 'INT64') return new Uint8Array(BigInt64Array.from(data, BigInt).buffer);
  return new Uint8Array((datatype === 'FP32' ? Float32Array.from(data) : Int32Array.from(data)).buffer);
}

function numbersOf(datatype: string, bytes: Uint8Array): number[] {
  const { buffer } = Uint8Array.from(bytes);
  if (datatype === 'INT64') return Array.from(new BigInt64Array(buffer), Number);
  return Array.from(datatype === 'FP32' ? new Float32Array(buffer) : new Int32Array(buffer));
}
