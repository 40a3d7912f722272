import { elementCount, formatShape } from '@sconce/tensor';
import { SconceError } from '@sconce/errors';

import { DATA_LOCATION_EXTERNAL } from './attribute-type.ts';
import { onnxDatatypeBytes, onnxDatatypeOfNumber } from './datatype.ts';
import type { ExternalData, OnnxDatatype, OnnxTensor } from './model.ts';
import { onnxError } from './onnx-error.ts';
import type { TensorProto } from './onnx_pb.generated.ts';
import { decodeUtf8 } from './decode-utf8.ts';

/**
 * Decodes a tensor, whichever of ONNX's fields holds its elements. Raw data stays a view into the file's bytes.
 * `where` names the tensor in error messages.
 *
 * @throws SconceError `model_invalid` if the element type is not supported, the dimensions are invalid or do not match
 * the data, the data is in the wrong field or in several, or the external data is not a range of a file below the
 * model's folder.
 */
export function decodeTensor(proto: TensorProto, where: string): OnnxTensor {
  const datatype = decodeDatatype(proto.dataType, where);
  const dims = proto.dims.map(Number);
  const count = countElements(dims, where);
  const label = `${where} (${datatype}${formatShape(dims)})`;
  if (proto.segment.byteLength > 0) throw onnxError(`${label} is split into segments, which is not supported`);
  const head = { name: proto.name, datatype, dims };
  if (proto.dataLocation === DATA_LOCATION_EXTERNAL)
    return { ...head, data: decodeExternal(proto, datatype, count, label) };
  if (proto.dataLocation !== 0) throw onnxError(`${label} has the unknown data location ${proto.dataLocation}`);
  return { ...head, data: decodeData(proto, datatype, count, label) };
}

/** The element type with this number. @throws SconceError `model_invalid` for a type that Sconce does not support. */
export function decodeDatatype(number: number, where: string): OnnxDatatype {
  const datatype = onnxDatatypeOfNumber(number);
  if (datatype !== undefined) return datatype;
  throw onnxError(
    number === 0
      ? `${where} has no element type`
      : `${where} has the element type ${number} of TensorProto.DataType, which is not supported`,
  );
}

function countElements(dims: readonly number[], where: string): number {
  try {
    return elementCount(dims);
  } catch (error) {
    if (error instanceof SconceError) throw onnxError(`${where}: ${error.message}`);
    throw error;
  }
}

const FIELDS = ['rawData', 'floatData', 'int32Data', 'int64Data', 'doubleData', 'uint64Data', 'stringData'] as const;
type Field = (typeof FIELDS)[number];

const TYPED_FIELDS: Readonly<Record<OnnxDatatype, Field>> = {
  FLOAT: 'floatData',
  DOUBLE: 'doubleData',
  INT64: 'int64Data',
  UINT32: 'uint64Data',
  UINT64: 'uint64Data',
  STRING: 'stringData',
  INT32: 'int32Data',
  UINT8: 'int32Data',
  INT8: 'int32Data',
  UINT16: 'int32Data',
  INT16: 'int32Data',
  BOOL: 'int32Data',
  FLOAT16: 'int32Data',
  BFLOAT16: 'int32Data',
};

function decodeData(
  proto: TensorProto,
  datatype: OnnxDatatype,
  count: number,
  label: string,
): Uint8Array | readonly string[] {
  const filled = FIELDS.filter((field) => proto[field].length > 0);
  if (filled.length > 1)
    throw onnxError(`${label} has data in several fields: ${filled.map(onnxFieldName).join(', ')}`);
  const [field] = filled;
  const typedField = TYPED_FIELDS[datatype];
  if (field === 'rawData' && datatype !== 'STRING') {
    const expected = count * onnxDatatypeBytes(datatype);
    if (proto.rawData.byteLength === expected) return proto.rawData;
    throw onnxError(`${label} has ${proto.rawData.byteLength} bytes of raw_data; its shape takes ${expected}`);
  }
  if (field !== undefined && field !== typedField) {
    throw onnxError(`${label} has its data in ${onnxFieldName(field)}; expected it in ${onnxFieldName(typedField)}`);
  }
  const length = proto[typedField].length;
  if (length !== count) throw onnxError(`${label} has ${length} elements; its shape takes ${count}`);
  if (datatype === 'STRING') return proto.stringData.map((bytes) => decodeUtf8(bytes, label));
  const { buffer } = typedElements(proto, datatype);
  return new Uint8Array(buffer);
}

/** The elements, each in its own width. Numbers outside the range of an integer type wrap, as in a C cast. */
function typedElements(
  proto: TensorProto,
  datatype: Exclude<OnnxDatatype, 'STRING'>,
): { readonly buffer: ArrayBuffer } {
  switch (datatype) {
    case 'FLOAT':
      return Float32Array.from(proto.floatData);
    case 'DOUBLE':
      return Float64Array.from(proto.doubleData);
    case 'INT64':
      return BigInt64Array.from(proto.int64Data);
    case 'UINT64':
      return BigUint64Array.from(proto.uint64Data);
    case 'UINT32':
      return Uint32Array.from(proto.uint64Data, (value) => Number(BigInt.asUintN(32, value)));
    case 'INT32':
      return Int32Array.from(proto.int32Data);
    case 'INT16':
      return Int16Array.from(proto.int32Data);
    // FLOAT16 and BFLOAT16 are stored as bit patterns.
    case 'UINT16':
    case 'FLOAT16':
    case 'BFLOAT16':
      return Uint16Array.from(proto.int32Data);
    case 'INT8':
      return Int8Array.from(proto.int32Data);
    case 'UINT8':
      return Uint8Array.from(proto.int32Data);
    case 'BOOL':
      return Uint8Array.from(proto.int32Data, (value) => (value === 0 ? 0 : 1));
  }
}

function decodeExternal(proto: TensorProto, datatype: OnnxDatatype, count: number, label: string): ExternalData {
  if (datatype === 'STRING') throw onnxError(`${label} has its strings in another file, which ONNX does not allow`);
  const filled = FIELDS.filter((field) => proto[field].length > 0);
  if (filled.length > 0) throw onnxError(`${label} has both external data and ${filled.map(onnxFieldName).join(', ')}`);
  const entries = new Map(proto.externalData.map(({ key, value }) => [key, value]));
  const location = entries.get('location') ?? '';
  checkLocation(location, label);
  const expected = count * onnxDatatypeBytes(datatype);
  const length = wholeNumber(entries.get('length'), expected, `${label}: the external data's length`);
  if (length !== expected)
    throw onnxError(`${label} refers to ${length} bytes of ${location}; its shape takes ${expected}`);
  return { location, offset: wholeNumber(entries.get('offset'), 0, `${label}: the external data's offset`), length };
}

/**
 * Refuses a location that is not a path below the model's folder. A first part `*` is refused too, because ONNX Runtime
 * uses it to mark addresses in memory.
 */
function checkLocation(location: string, label: string): void {
  const parts = location.split(/[/\\]/);
  const isBelow = parts[0] !== '' && parts[0] !== '*' && !parts.includes('..') && !/^[a-z]:|\0/i.test(location);
  if (isBelow) return;
  throw onnxError(`${label} refers to the file "${location}"; expected a path below the model's folder`);
}

function wholeNumber(digits: string | undefined, defaultValue: number, what: string): number {
  if (digits === undefined) return defaultValue;
  const value = /^\d{1,16}$/.test(digits) ? Number(digits) : NaN;
  if (Number.isSafeInteger(value)) return value;
  throw onnxError(`${what} is "${digits}"; expected a whole number from 0 to 2^53-1`);
}

/** The name of a field as ONNX writes it: `float_data` for `floatData`. */
function onnxFieldName(field: Field): string {
  return field.replace('Data', '_data');
}
