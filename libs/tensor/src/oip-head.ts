import { DATATYPES, formatShape, isDatatype, type Datatype, type TensorSpec } from './datatype.ts';
import { splitBody } from './oip-binary.ts';
import { elementCount } from './shape.ts';
import { parseJson, withoutBigints } from './json-text.ts';
import { describe, quote, requestError, tensorError } from './tensor-error.ts';

/** A protocol object's `parameters`. */
export type OipParameters = Readonly<Record<string, string | number | boolean>>;

/** A tensor as a JSON head lists it; `data` is undefined where the data are binary. */
export interface TensorHead extends TensorSpec {
  readonly parameters: OipParameters;
  readonly data: unknown;
}

/** An output as a request's JSON head lists it. */
export interface OutputHead {
  readonly name: string;
  readonly parameters: OipParameters;
}

/** An inference request as it was written, well-formed but not yet compared with a model's signature. */
export interface InferHead {
  readonly id?: string;
  readonly parameters: OipParameters;
  readonly inputs: readonly TensorHead[];
  /** Undefined where the request names none, which asks for all of them. */
  readonly outputs?: readonly OutputHead[];
  /** Top-level fields that the protocol does not know, such as a job submission's `model`. */
  readonly extra: Readonly<Record<string, unknown>>;
  /** The bytes after the JSON: binary tensors. */
  readonly binary: Uint8Array;
}

/**
 * Reads the JSON of an inference request and leaves tensor data alone. `headerLength` is the value of the
 * Inference-Header-Content-Length header; without it all of the body is JSON. null stands for an absent optional field.
 *
 * Throws 'invalid_request' where the body is not JSON or not of the protocol's form, with the field as `param`;
 * 'invalid_tensor' for an unknown datatype or an impossible shape, with the input's name.
 */
export function parseInferHead(request: {
  readonly body: Uint8Array;
  readonly headerLength?: number | undefined;
}): InferHead {
  const { head, binary } = splitBody(request.body, request.headerLength);
  const { id, parameters, inputs, outputs, ...extra } = parseObject(head);
  const requested = outputs ?? [];
  if (!Array.isArray(inputs)) throw requestError('inputs', `inputs is ${describe(inputs)}; expected an array`);
  if (!Array.isArray(requested)) throw requestError('outputs', `outputs is ${describe(outputs)}; expected an array`);
  return {
    ...readId(id),
    parameters: readParameters(parameters, 'parameters'),
    inputs: inputs.map((input: unknown, index) => readTensorHead(input, `inputs[${index}]`)),
    ...(requested.length > 0
      ? { outputs: requested.map((output: unknown, index) => readOutputHead(output, `outputs[${index}]`)) }
      : {}),
    extra: withoutBigints(extra, 'body') as Record<string, unknown>,
    binary,
  };
}

/** The JSON object that a head is. Throws 'invalid_request'. */
export function parseObject(head: Uint8Array): Record<string, unknown> {
  if (head.length === 0) throw requestError('body', 'the JSON part of the body is empty; expected a JSON object');
  return readObject(parseJson(head), 'body');
}

/** `{id}` where there is one, to spread into a result. Throws 'invalid_request' for what is not a string. */
export function readId(id: unknown): { id?: string } {
  if (id === undefined || id === null) return {};
  if (typeof id !== 'string') throw requestError('id', `id is ${describe(id)}; expected a string`);
  return { id };
}

/** A `parameters` object. Throws 'invalid_request' for a value that is not a string, number or boolean. */
export function readParameters(value: unknown, path: string): OipParameters {
  if (value === undefined || value === null) return {};
  const parameters = withoutBigints(readObject(value, path), path) as Record<string, unknown>;
  for (const [key, member] of Object.entries(parameters)) {
    if (typeof member !== 'string' && typeof member !== 'number' && typeof member !== 'boolean') {
      throw requestError(
        `${path}.${key}`,
        `${path}.${quote(key)} is ${describe(member)}; expected a string, a number or a boolean`,
      );
    }
  }
  return parameters as OipParameters;
}

/** A tensor's entry in `inputs` or `outputs`. Throws as `parseInferHead` does. */
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

function readOutputHead(value: unknown, path: string): OutputHead {
  const entry = readObject(value, path);
  return { name: readName(entry, path), parameters: readParameters(entry['parameters'], `${path}.parameters`) };
}

function readName(entry: Record<string, unknown>, path: string): string {
  const { name } = entry;
  if (typeof name !== 'string')
    throw requestError(`${path}.name`, `${path}.name is ${describe(name)}; expected a string`);
  return name;
}

function readDatatype(name: string, datatype: unknown): Datatype {
  if (!isDatatype(datatype)) {
    throw tensorError(name, `datatype is ${describe(datatype)}; expected one of ${DATATYPES.join(', ')}`);
  }
  return datatype;
}

function readShape(name: string, shape: unknown): number[] {
  if (!Array.isArray(shape)) throw tensorError(name, `shape is ${describe(shape)}; expected an array of whole numbers`);
  const wrong = shape.findIndex((dimension) => typeof dimension !== 'number');
  if (wrong >= 0) {
    throw tensorError(name, `shape[${wrong}] is ${describe(shape[wrong])}; expected a whole number from 0 to 2^53-1`);
  }
  elementCount(shape as number[], name);
  // JSON's -0 is 0.
  return (shape as number[]).map((dimension) => dimension + 0);
}

function readObject(value: unknown, path: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw requestError(path, `${path} is ${describe(value)}; expected an object`);
  }
  return value as Record<string, unknown>;
}

/** A signature for people: `x FP32[-1,10], y INT64[-1]`. */
export function formatSignature(specs: readonly TensorSpec[]): string {
  return (
    specs.map(({ name, datatype, shape }) => `${quote(name)} ${datatype}${formatShape(shape)}`).join(', ') || 'none'
  );
}
