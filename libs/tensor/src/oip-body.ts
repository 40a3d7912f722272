import { SconceError, toSconceError } from '@sconce/errors';
import type { Tensor, TensorSpec } from './datatype.ts';
import { encodeJsonData, type NonFinite } from './oip-json.ts';

/** An HTTP body of the protocol, with the values of its headers. */
export interface OipBody {
  /** 'application/json', or 'application/octet-stream' if binary tensors follow the JSON. */
  readonly contentType: string;
  /** Bytes of the JSON, for the header Inference-Header-Content-Length. Undefined if the whole body is JSON. */
  readonly headerLength?: number;
  readonly body: Buffer;
}

/** A tensor to write, as binary or as JSON. */
export interface TensorToWrite {
  readonly tensor: Tensor;
  readonly binary: boolean;
}

/** A body in two parts: the JSON as text, and the binary tensors that follow it, as views of the tensors' data. */
export interface OipBodyParts {
  readonly json: string;
  readonly binary: readonly Uint8Array[];
}

/** The content of a body. */
export interface BodyToWrite {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly key: 'inputs' | 'outputs';
  readonly tensors: readonly TensorToWrite[];
  readonly nonFinite: NonFinite;
}

/**
 * Writes a body. The JSON has the members of `fields` and then the tensors as member `key`, each with flat JSON data or
 * its `binary_data_size`. The binary tensors follow the JSON in the same order. Copies the data, so the caller may reuse
 * its memory. Throws as `encodeJsonData` does, and 'payload_too_large' if the JSON is too long to write.
 */
export function encodeBody(body: BodyToWrite): OipBody {
  return joinBody(encodeParts(body));
}

/** As `encodeBody`, but leaves the parts apart and does not copy binary tensors. */
export function encodeParts({ fields, key, tensors, nonFinite }: BodyToWrite): OipBodyParts {
  const entries = tensors.map(({ tensor, binary }) => {
    const { name, datatype, shape, data } = tensor;
    if (binary) return JSON.stringify({ name, datatype, shape, parameters: { binary_data_size: data.length } });
    // The data is inserted as text, because JSON.stringify could not write the numbers exactly.
    return appendMember(JSON.stringify({ name, datatype, shape }), 'data', jsonText(tensor, nonFinite));
  });
  return {
    json: appendMember(JSON.stringify(fields), key, `[${entries.join(',')}]`),
    binary: tensors.filter((entry) => entry.binary).map((entry) => entry.tensor.data),
  };
}

/** The JSON of a body whose tensors are all binary and follow it in this order. */
export function encodeBinaryHead(
  fields: Readonly<Record<string, unknown>>,
  key: 'inputs' | 'outputs',
  tensors: readonly (TensorSpec & { readonly byteLength: number })[],
): string {
  const entries = tensors.map(({ name, datatype, shape, byteLength }) =>
    JSON.stringify({ name, datatype, shape, parameters: { binary_data_size: byteLength } }),
  );
  return appendMember(JSON.stringify(fields), key, `[${entries.join(',')}]`);
}

/** The parts in one buffer, with the values of the headers. */
export function joinBody({ json, binary }: OipBodyParts): OipBody {
  const head = Buffer.from(json);
  if (binary.length === 0) return { contentType: 'application/json', body: head };
  return {
    contentType: 'application/octet-stream',
    headerLength: head.length,
    body: Buffer.concat([head, ...binary]),
  };
}

/** Appends a member to the JSON text of an object. `value` is JSON text. */
function appendMember(object: string, key: string, value: string): string {
  return `${object.slice(0, -1)}${object === '{}' ? '' : ','}"${key}":${value}}`;
}

function jsonText(tensor: Tensor, nonFinite: NonFinite): string {
  try {
    return encodeJsonData(tensor, nonFinite);
  } catch (error) {
    // The only possible RangeError is a string longer than JavaScript allows.
    if (!(error instanceof RangeError)) throw toSconceError(error);
    throw new SconceError(
      'payload_too_large',
      `tensor ${JSON.stringify(tensor.name)} of ${tensor.data.length} bytes is too long to write as JSON; use binary data`,
      { details: { param: tensor.name }, cause: error },
    );
  }
}
