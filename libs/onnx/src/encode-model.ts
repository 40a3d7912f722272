import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { SconceError, toSconceError } from '@sconce/errors';

import { ATTRIBUTE_TYPES, DATA_LOCATION_EXTERNAL } from './attribute-type.ts';
import { ONNX_DATATYPE_NUMBERS } from './datatype.ts';
import { tensorsOf } from './graph-tensors.ts';
import type { OnnxAttribute, OnnxDim, OnnxGraph, OnnxModel, OnnxNode, OnnxTensor, ValueInfo } from './model.ts';
import {
  ModelProtoSchema,
  type AttributeProtoSchema,
  type GraphProtoSchema,
  type ModelProto,
  type NodeProtoSchema,
  type TensorProto,
  type TensorProtoSchema,
  type TensorShapeProto_DimensionSchema,
  type ValueInfoProtoSchema,
} from './onnx_pb.generated.ts';

/** Bytes of the largest possible ONNX file: protobuf readers take at most 2 GiB - 1. */
export const MAX_MODEL_BYTES = 2 ** 31 - 1;

const utf8 = new TextEncoder();

/**
 * Encodes a model as the bytes of an `.onnx` file. Tensors are written as raw_data, strings as string_data, external
 * tensors as references. Float attributes are rounded to 32 bits, because ONNX stores them so. While it runs it takes
 * two to three times the memory of the result.
 *
 * @throws SconceError `unsupported` if the model is larger than a protobuf may be; `internal` if ONNX requires a 64-bit
 * integer and the number is not one.
 */
export function encodeModel(model: OnnxModel): Uint8Array {
  let tensorBytes = 0;
  for (const { data } of tensorsOf(model.graph)) tensorBytes += inlineBytes(data);
  if (tensorBytes > MAX_MODEL_BYTES) throw tooLarge(tensorBytes);
  let bytes: Uint8Array;
  try {
    bytes = toBinary(
      ModelProtoSchema,
      create(ModelProtoSchema, { ...encodeModelHead(model), graph: encodeGraph(model.graph) }),
    );
  } catch (error) {
    throw toSconceError(error);
  }
  if (bytes.byteLength > MAX_MODEL_BYTES) throw tooLarge(bytes.byteLength);
  return bytes;
}

/** The fields of a model without its graph. */
export function encodeModelHead(model: OnnxModel): Exclude<MessageInitShape<typeof ModelProtoSchema>, ModelProto> {
  return {
    irVersion: int64(model.irVersion, 'the IR version'),
    producerName: model.producer,
    opsetImport: Object.entries(model.opsets).map(([domain, version]) => ({
      domain,
      version: int64(version, `operator set "${domain}"`),
    })),
    metadataProps: Object.entries(model.metadata).map(([key, value]) => ({ key, value })),
  };
}

/** Bytes that a tensor's data adds to the file, without its header. 0 for external data. */
export function inlineBytes(data: OnnxTensor['data']): number {
  if (data instanceof Uint8Array) return data.byteLength;
  if (isStringArray(data)) return data.reduce((sum, text) => sum + text.length, 0);
  return 0;
}

/** Encodes a graph with its nodes, tensors and inner graphs. */
export function encodeGraph(graph: OnnxGraph): MessageInitShape<typeof GraphProtoSchema> {
  return {
    name: graph.name,
    node: graph.nodes.map(encodeNode),
    initializer: graph.initializers.map(encodeTensor),
    input: graph.inputs.map(encodeValueInfo),
    output: graph.outputs.map(encodeValueInfo),
  };
}

function encodeNode(node: OnnxNode): MessageInitShape<typeof NodeProtoSchema> {
  return {
    opType: node.opType,
    domain: nonEmpty(node.domain),
    name: nonEmpty(node.name),
    input: [...node.inputs],
    output: [...node.outputs],
    attribute: Object.entries(node.attributes).map(([name, attribute]) =>
      encodeAttribute(name, attribute, `node "${node.name}", attribute "${name}"`),
    ),
  };
}

function encodeAttribute(
  name: string,
  attribute: OnnxAttribute,
  where: string,
): MessageInitShape<typeof AttributeProtoSchema> {
  if ('int' in attribute) return { name, type: ATTRIBUTE_TYPES.INT, i: int64(attribute.int, where) };
  if ('ints' in attribute) {
    return { name, type: ATTRIBUTE_TYPES.INTS, ints: attribute.ints.map((int) => int64(int, where)) };
  }
  if ('float' in attribute) return { name, type: ATTRIBUTE_TYPES.FLOAT, f: Math.fround(attribute.float) };
  if ('floats' in attribute) {
    return { name, type: ATTRIBUTE_TYPES.FLOATS, floats: attribute.floats.map((float) => Math.fround(float)) };
  }
  if ('string' in attribute) return { name, type: ATTRIBUTE_TYPES.STRING, s: utf8.encode(attribute.string) };
  if ('strings' in attribute) {
    return { name, type: ATTRIBUTE_TYPES.STRINGS, strings: attribute.strings.map((text) => utf8.encode(text)) };
  }
  if ('tensor' in attribute) return { name, type: ATTRIBUTE_TYPES.TENSOR, t: encodeTensor(attribute.tensor) };
  return { name, type: ATTRIBUTE_TYPES.GRAPH, g: encodeGraph(attribute.graph) };
}

/** The fields of a tensor without its data. */
export function encodeTensorHead({
  name,
  datatype,
  dims,
}: OnnxTensor): Exclude<MessageInitShape<typeof TensorProtoSchema>, TensorProto> {
  return {
    name: nonEmpty(name),
    dataType: ONNX_DATATYPE_NUMBERS[datatype],
    dims: dims.map((dim) => int64(dim, `tensor "${name}"`)),
  };
}

function encodeTensor(tensor: OnnxTensor): MessageInitShape<typeof TensorProtoSchema> {
  const { data } = tensor;
  const head = encodeTensorHead(tensor);
  if (data instanceof Uint8Array) return { ...head, rawData: data };
  if (isStringArray(data)) return { ...head, stringData: data.map((text) => utf8.encode(text)) };
  return {
    ...head,
    dataLocation: DATA_LOCATION_EXTERNAL,
    externalData: [
      { key: 'location', value: data.location },
      { key: 'offset', value: String(data.offset) },
      { key: 'length', value: String(data.length) },
    ],
  };
}

function encodeValueInfo(info: ValueInfo): MessageInitShape<typeof ValueInfoProtoSchema> {
  const elemType = ONNX_DATATYPE_NUMBERS[info.datatype];
  const shape = info.shape && { dim: info.shape.map((dim) => encodeDim(dim, info.name)) };
  return { name: info.name, type: { tensorType: { elemType, shape } } };
}

function encodeDim(dim: OnnxDim, name: string): MessageInitShape<typeof TensorShapeProto_DimensionSchema> {
  if (dim === null) return {};
  return typeof dim === 'string' ? { dimParam: dim } : { dimValue: int64(dim, `value "${name}"`) };
}

/** Leaves empty strings out of the file, as other writers do. */
function nonEmpty(text: string): string | undefined {
  return text === '' ? undefined : text;
}

function isStringArray(data: OnnxTensor['data']): data is readonly string[] {
  return Array.isArray(data);
}

function int64(value: number | bigint, where: string): bigint {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw new SconceError(
      'internal',
      `${where}: ${value} is not an exact integer; expected an integer, above 2^53 as a bigint`,
    );
  }
  const big = BigInt(value);
  if (BigInt.asIntN(64, big) !== big) throw new SconceError('internal', `${where}: ${big} does not fit into 64 bits`);
  return big;
}

function tooLarge(bytes: number): SconceError {
  return new SconceError(
    'unsupported',
    `the model takes ${bytes} bytes, and an ONNX file has less than 2 GiB: keep the weights as external data`,
    { details: { bytes, maxBytes: MAX_MODEL_BYTES } },
  );
}
