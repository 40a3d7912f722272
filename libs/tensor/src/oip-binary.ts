import { checkTensor } from './bytes-elements.ts';
import { formatSpec, type Tensor } from './datatype.ts';
import { decodeJsonData, type NonFinite } from './oip-json.ts';
import type { TensorHead } from './oip-head.ts';
import { byteLength } from './shape.ts';
import { describeValue, requestError, tensorError } from './tensor-error.ts';

/** The header with the length of the JSON in a body. The binary tensors follow the JSON. */
export const HEADER_LENGTH_HEADER = 'Inference-Header-Content-Length';

/** The two parts of a body. */
export interface SplitBody {
  readonly head: Uint8Array;
  readonly binary: Uint8Array;
}

/**
 * Splits a body into its JSON head and its binary tensors. Without a `headerLength` the whole body is JSON. Throws
 * 'invalid_request' if the length is not a whole number or is larger than the body.
 */
export function splitBody(body: Uint8Array, headerLength: number | undefined): SplitBody {
  if (headerLength === undefined) return { head: body, binary: body.subarray(body.length) };
  if (!Number.isSafeInteger(headerLength) || headerLength < 0) {
    throw requestError(HEADER_LENGTH_HEADER, `${HEADER_LENGTH_HEADER} is ${headerLength}; expected a whole number`);
  }
  if (headerLength > body.length) {
    throw requestError(
      HEADER_LENGTH_HEADER,
      `${HEADER_LENGTH_HEADER} is ${headerLength}; the body has only ${body.length} bytes (the length counts uncompressed JSON)`,
    );
  }
  return { head: body.subarray(0, headerLength), binary: body.subarray(headerLength) };
}

/**
 * Decodes the tensors that heads describe, from their JSON `data` or from the binary section, which has them in the
 * order of the heads. Binary data are views into the section, without a copy.
 *
 * Throws 'invalid_tensor' if a tensor has both sources or neither, if `binary_data_size` contradicts datatype and shape,
 * if the section ends too early, or if the data is invalid. Throws 'invalid_request' if bytes are left over.
 */
export function decodeTensors(heads: readonly TensorHead[], binary: Uint8Array, nonFinite: NonFinite): Tensor[] {
  let offset = 0;
  const tensors = heads.map((head): Tensor => {
    const { name, datatype, shape, data } = head;
    const bytes = binaryData(head, binary, offset);
    if (bytes === undefined) return decodeJsonData({ name, datatype, shape }, data, nonFinite);
    const tensor = { name, datatype, shape, data: bytes };
    checkTensor(tensor);
    offset += bytes.length;
    return tensor;
  });
  checkNoSurplus(binary, offset);
  return tensors;
}

/**
 * The binary data of a tensor, which begin at `offset` of the section and are not checked yet. Undefined if its data are JSON. Throws as
 * `decodeTensors` does.
 */
export function binaryData(head: TensorHead, binary: Uint8Array, offset: number): Uint8Array | undefined {
  const { name, data, parameters } = head;
  const size = parameters['binary_data_size'];
  if (size === undefined) {
    if (data !== undefined) return undefined;
    throw tensorError(name, 'has neither data nor parameters.binary_data_size; expected one of them');
  }
  if (data !== undefined)
    throw tensorError(name, 'has both data and parameters.binary_data_size; expected one of them');
  const end = offset + readBinarySize(head, size);
  if (end > binary.length) {
    const hint = binary.length === 0 ? ` (is the ${HEADER_LENGTH_HEADER} header set?)` : '';
    throw tensorError(
      name,
      `binary data is truncated: expected ${end - offset} bytes, ${binary.length - offset} are left${hint}`,
    );
  }
  return binary.subarray(offset, end);
}

/** Throws 'invalid_request' if bytes follow the last binary tensor, which ends at `end`. */
export function checkNoSurplus(binary: Uint8Array, end: number): void {
  if (end === binary.length) return;
  throw requestError(
    HEADER_LENGTH_HEADER,
    `the body has ${binary.length - end} surplus bytes after its binary tensors: expected ${end} bytes after the JSON, got ${binary.length}`,
  );
}

function readBinarySize(head: TensorHead, size: unknown): number {
  const { name, datatype, shape } = head;
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw tensorError(name, `parameters.binary_data_size is ${describeValue(size)}; expected a whole number of bytes`);
  }
  if (datatype !== 'BYTES') {
    const expected = byteLength(datatype, shape, name);
    if (size !== expected) {
      throw tensorError(
        name,
        `parameters.binary_data_size is ${size}; expected ${expected}, which ${formatSpec(head)} takes`,
      );
    }
  }
  return size;
}
