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
    const { name, datatype, shape, data, parameters } = head;
    const size = parameters['binary_data_size'];
    if (size === undefined) {
      if (data !== undefined) return decodeJsonData({ name, datatype, shape }, data, nonFinite);
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
    const tensor = { name, datatype, shape, data: binary.subarray(offset, end) };
    checkTensor(tensor);
    offset = end;
    return tensor;
  });
  if (offset !== binary.length) {
    throw requestError(
      HEADER_LENGTH_HEADER,
      `the body has ${binary.length - offset} surplus bytes after its binary tensors: expected ${offset} bytes after the JSON, got ${binary.length}`,
    );
  }
  return tensors;
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
