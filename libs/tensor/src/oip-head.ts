import { DATATYPES, formatShape, isDatatype, type Datatype, type TensorSpec } from './datatype.ts';
import { splitBody } from './oip-binary.ts';
import { elementCount } from './shape.ts';
import { parseJson, withoutBigints } from './json-text.ts';
import { describeValue, quote, requestError, tensorError } from './tensor-error.ts';
import { unusedParts } from './unused-parts.ts';

/** The `parameters` of a protocol object. */
export type OipParameters = Readonly<Record<string, string | number | boolean>>;

/** A tensor as the JSON head lists it. `data` is undefined if the data is binary. */
export interface TensorHead extends TensorSpec {
  readonly parameters: OipParameters;
  readonly data: unknown;
}

/** A requested output as the JSON head lists it. */
export interface OutputHead {
  readonly name: string;
  readonly parameters: OipParameters;
}

/** A well-formed inference request that is not yet compared with a model's signature. */
export interface InferHead {
  readonly id?: string;
  readonly parameters: OipParameters;
  readonly inputs: readonly TensorHead[];
  /** Undefined if the request names no outputs, which requests all of them. */
  readonly outputs?: readonly OutputHead[];
  /** Top-level fields that the protocol does not define, such as `model` of a job submission. */
  readonly extra: Readonly<Record<string, unknown>>;
  /** Parameters and fields that nothing uses, among them those of `extra`. Absent if there are none. */
  readonly unused?: readonly string[];
  /** The bytes after the JSON: the binary tensors. */
  readonly binary: Uint8Array;
  /** The number of JSON values, if they were counted. */
  readonly jsonValues?: number;
}

/**
 * Reads the JSON of an inference request without decoding tensor data. `headerLength` is the value of the header
 * Inference-Header-Content-Length; without it the whole body is JSON. An optional field may be null or absent.
 *
 * Throws 'invalid_request' with the field as `param` if the body is not JSON, does not have the protocol's form, or has a parameter of an
 * extension that is not supported. Throws 'invalid_tensor' with the input's name for an unknown datatype or an impossible shape.
 */
export function parseInferHead(request: {
  readonly body: Uint8Array;
  readonly headerLength?: number | undefined;
}): InferHead {
  const { head, binary } = splitBody(request.body, request.headerLength);
  return readInferHead(parseObject(head), binary);
}

/** The second step of `parseInferHead`: checks the form of the parsed JSON. */
export function readInferHead(json: Record<string, unknown>, binary: Uint8Array): InferHead {
  const { id, parameters, inputs, outputs, ...extra } = json;
  const requested = outputs ?? [];
  if (!Array.isArray(inputs)) throw requestError('inputs', `inputs is ${describeValue(inputs)}; expected an array`);
  if (!Array.isArray(requested))
    throw requestError('outputs', `outputs is ${describeValue(outputs)}; expected an array`);
  const head = {
    id: readId(id),
    parameters: readParameters(parameters, 'parameters'),
    inputs: inputs.map((input: unknown, index) => readTensorHead(input, `inputs[${index}]`)),
    outputs:
      requested.length > 0
        ? requested.map((output: unknown, index) => readOutputHead(output, `outputs[${index}]`))
        : undefined,
    extra: withoutBigints(extra, 'body') as Record<string, unknown>,
    binary,
  };
  const unused = unusedParts(head, { inputs, outputs: requested });
  return unused === undefined ? head : { ...head, unused };
}

/** Parses a head, which must be a JSON object. Throws 'invalid_request' if it is not. */
export function parseObject(head: Uint8Array): Record<string, unknown> {
  checkNotEmpty(head);
  return readObject(parseJson(head), 'body');
}

/** Throws 'invalid_request' if there is no JSON. */
export function checkNotEmpty(head: Uint8Array): void {
  if (head.length === 0) throw requestError('body', 'the JSON part of the body is empty; expected a JSON object');
}

/** Reads an optional `id`. Throws 'invalid_request' if it is neither a string, null nor absent. */
export function readId(id: unknown): string | undefined {
  if (id === undefined || id === null) return undefined;
  if (typeof id !== 'string') throw requestError('id', `id is ${describeValue(id)}; expected a string`);
  return id;
}

/** Reads a `parameters` object. Throws 'invalid_request' if a value is not a string, a number or a boolean. */
export function readParameters(value: unknown, path: string): OipParameters {
  if (value === undefined || value === null) return {};
  const parameters = withoutBigints(readObject(value, path), path) as Record<string, unknown>;
  for (const [key, member] of Object.entries(parameters)) {
    if (typeof member !== 'string' && typeof member !== 'number' && typeof member !== 'boolean') {
      throw requestError(
        `${path}.${key}`,
        `${path}.${quote(key)} is ${describeValue(member)}; expected a string, a number or a boolean`,
      );
    }
  }
  return parameters as OipParameters;
}

/** Reads an entry of `inputs` (of a response: `outputs`). Throws as `parseInferHead` does. */
export function readTensorHead(value: unknown, path: string): TensorHead {
  const entry = readObject(value, path);
  const name = readName(entry, path);
  return {
    name,
    datatype: readDatatype(name, entry['datatype']),
    shape: readShape(name, entry['shape']),
    parameters: readParameters(entry['parameters'], `${path}.parameters`),
    data: entry['data'] ?? undefined,
  };
}

/** Reads an entry of `outputs`. Throws as `parseInferHead` does. */
export function readOutputHead(value: unknown, path: string): OutputHead {
  const entry = readObject(value, path);
  return { name: readName(entry, path), parameters: readParameters(entry['parameters'], `${path}.parameters`) };
}

function readName(entry: Record<string, unknown>, path: string): string {
  const { name } = entry;
  if (typeof name !== 'string')
    throw requestError(`${path}.name`, `${path}.name is ${describeValue(name)}; expected a string`);
  return name;
}

function readDatatype(name: string, datatype: unknown): Datatype {
  if (!isDatatype(datatype)) {
    throw tensorError(name, `datatype is ${describeValue(datatype)}; expected one of ${DATATYPES.join(', ')}`);
  }
  return datatype;
}

function readShape(name: string, shape: unknown): number[] {
  if (!Array.isArray(shape))
    throw tensorError(name, `shape is ${describeValue(shape)}; expected an array of whole numbers`);
  const wrong = shape.findIndex((dimension) => typeof dimension !== 'number');
  if (wrong >= 0) {
    throw tensorError(
      name,
      `shape[${wrong}] is ${describeValue(shape[wrong])}; expected a whole number from 0 to 2^53-1`,
    );
  }
  elementCount(shape as number[], name);
  // JSON allows -0. Adding 0 makes it 0.
  return (shape as number[]).map((dimension) => dimension + 0);
}

/** Checks that a value is an object. Throws 'invalid_request' if it is not. */
export function readObject(value: unknown, path: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw requestError(path, `${path} is ${describeValue(value)}; expected an object`);
  }
  return value as Record<string, unknown>;
}

/** Tensor specs as messages show them: `"x" FP32[-1,10], "y" INT64[-1]`. */
export function formatSignature(specs: readonly TensorSpec[]): string {
  return (
    specs.map(({ name, datatype, shape }) => `${quote(name)} ${datatype}${formatShape(shape)}`).join(', ') || 'none'
  );
}
