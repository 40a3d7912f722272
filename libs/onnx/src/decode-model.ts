import { fromBinary, isFieldSet } from '@bufbuild/protobuf';

import { ATTRIBUTE_TYPES, UNSUPPORTED_ATTRIBUTE_TYPES } from './attribute-type.ts';
import { checkWire } from './check-wire.ts';
import { decodeDatatype, decodeTensor } from './decode-tensor.ts';
import { MAX_MODEL_BYTES } from './encode-model.ts';
import type { OnnxAttribute, OnnxDim, OnnxGraph, OnnxModel, OnnxNode, ValueInfo } from './model.ts';
import { onnxError } from './onnx-error.ts';
import {
  ModelProtoSchema,
  TensorShapeProto_DimensionSchema,
  type AttributeProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type TensorShapeProto_Dimension,
  type ValueInfoProto,
} from './onnx_pb.generated.ts';
import { decodeUtf8 } from './decode-utf8.ts';

/** Levels of nested protobuf messages. A graph inside a graph takes three, so bodies may be about thirty deep. */
const MAX_DEPTH = 100;

/** A decoded file may take this much memory, plus a multiple of its size. */
const BASE_MEMORY_BYTES = 2 ** 28;
const MEMORY_BYTES_PER_BYTE = 8;

/**
 * Reads an `.onnx` file. Raw data of tensors stay views into `bytes`, at any alignment, so the model keeps the bytes
 * alive and the caller must not change them. Parts that {@link OnnxModel} cannot hold and that do not change the result
 * (documentation, value_info, training) are left out. Functions, sparse tensors and types other than tensors are refused.
 *
 * @throws SconceError `model_invalid` that says where the fault is, if the file is damaged or not supported.
 */
export function decodeModel(bytes: Uint8Array): OnnxModel {
  // Views into a Buffer would be Buffers, which have another slice() and toJSON().
  const proto = parse(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  if (proto.graph === undefined) throw onnxError('the file holds no ONNX graph: is it an .onnx model?');
  if (proto.functions.length > 0) {
    throw onnxError(
      'the model defines functions of its own, which is not supported: inline them first with onnx.inliner.inline_local_functions',
    );
  }
  const opsets = proto.opsetImport.map(({ domain, version }): [string, number] => [
    normaliseDomain(domain),
    Number(version),
  ]);
  return {
    irVersion: Number(proto.irVersion),
    opsets: uniqueRecord(opsets, 'the operator set', 'the model'),
    producer: proto.producerName,
    graph: decodeGraph(proto.graph),
    metadata: uniqueRecord(
      proto.metadataProps.map(({ key, value }) => [key, value]),
      'the metadata',
      'the model',
    ),
  };
}

function parse(bytes: Uint8Array): ModelProto {
  if (bytes.byteLength > MAX_MODEL_BYTES)
    throw onnxError(`the file has ${bytes.byteLength} bytes; an ONNX file has less than 2 GiB`);
  try {
    checkWire(ModelProtoSchema, bytes, {
      maxDepth: MAX_DEPTH,
      maxMemoryBytes: BASE_MEMORY_BYTES + MEMORY_BYTES_PER_BYTE * bytes.byteLength,
    });
    return fromBinary(ModelProtoSchema, bytes, { readUnknownFields: false, recursionLimit: MAX_DEPTH });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw onnxError(`the file is not an ONNX model, or is damaged: ${reason}`);
  }
}

function decodeGraph(graph: GraphProto): OnnxGraph {
  const where = `graph "${graph.name}"`;
  if (graph.sparseInitializer.length > 0)
    throw onnxError(`${where} has sparse initializers, which are not supported: store dense tensors`);
  return {
    name: graph.name,
    inputs: graph.input.map((info) => decodeValueInfo(info, `${where}, input "${info.name}"`)),
    outputs: graph.output.map((info) => decodeValueInfo(info, `${where}, output "${info.name}"`)),
    initializers: graph.initializer.map((tensor) => decodeTensor(tensor, `initializer "${tensor.name}"`)),
    nodes: graph.node.map(decodeNode),
  };
}

function decodeNode(node: NodeProto): OnnxNode {
  const where = `node "${node.name}" (${node.opType})`;
  return {
    opType: node.opType,
    domain: normaliseDomain(node.domain),
    name: node.name,
    inputs: node.input,
    outputs: node.output,
    attributes: uniqueRecord(
      node.attribute.map((attribute) => [
        attribute.name,
        decodeAttribute(attribute, `${where}, attribute "${attribute.name}"`),
      ]),
      'the attribute',
      where,
    ),
  };
}

function decodeAttribute(attribute: AttributeProto, where: string): OnnxAttribute {
  if (attribute.refAttrName !== '') throw onnxError(`${where} refers to a function's attribute outside of a function`);
  switch (attribute.type) {
    case ATTRIBUTE_TYPES.INT:
      return { int: numberIfExact(attribute.i) };
    case ATTRIBUTE_TYPES.INTS:
      return { ints: attribute.ints.map(numberIfExact) };
    case ATTRIBUTE_TYPES.FLOAT:
      return { float: attribute.f };
    case ATTRIBUTE_TYPES.FLOATS:
      return { floats: attribute.floats };
    case ATTRIBUTE_TYPES.STRING:
      return { string: decodeUtf8(attribute.s, where) };
    case ATTRIBUTE_TYPES.STRINGS:
      return { strings: attribute.strings.map((bytes) => decodeUtf8(bytes, where)) };
    case ATTRIBUTE_TYPES.TENSOR:
      if (attribute.t === undefined) break;
      return { tensor: decodeTensor(attribute.t, where) };
    case ATTRIBUTE_TYPES.GRAPH:
      if (attribute.g === undefined) break;
      return { graph: decodeGraph(attribute.g) };
    case 0:
      throw onnxError(`${where} does not say which type it has`);
    default: {
      const kind = UNSUPPORTED_ATTRIBUTE_TYPES.get(attribute.type) ?? `of the unknown type ${attribute.type}`;
      throw onnxError(`${where} is ${kind}, which is not supported`);
    }
  }
  throw onnxError(`${where} has no value`);
}

function decodeValueInfo(info: ValueInfoProto, where: string): ValueInfo {
  const type = info.type?.tensorType;
  if (type === undefined)
    throw onnxError(`${where} has no tensor type; expected a tensor (sequences, maps and optionals are not supported)`);
  return {
    name: info.name,
    datatype: decodeDatatype(type.elemType, where),
    shape: type.shape?.dim.map((dim) => decodeDim(dim, where)),
  };
}

function decodeDim(dim: TensorShapeProto_Dimension, where: string): OnnxDim {
  if (dim.dimParam !== '') return dim.dimParam;
  if (!isFieldSet(dim, TensorShapeProto_DimensionSchema.field.dimValue)) return null;
  const size = Number(dim.dimValue);
  if (Number.isSafeInteger(size) && size >= 0) return size;
  throw onnxError(`${where} has a dimension of ${dim.dimValue}; expected 0 to 2^53-1, or no size if it is free`);
}

/** `ai.onnx` is another name of ONNX's own domain, `''`. */
function normaliseDomain(domain: string): string {
  return domain === 'ai.onnx' ? '' : domain;
}

/** The value as a number if that is exact, otherwise the bigint itself. */
function numberIfExact(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** A record of the entries. Throws if a key occurs twice. */
function uniqueRecord<T>(
  entries: readonly (readonly [string, T])[],
  what: string,
  where: string,
): Readonly<Record<string, T>> {
  const seen = new Set<string>();
  for (const [key] of entries) {
    if (seen.has(key)) throw onnxError(`${where} has ${what} "${key}" twice`);
    seen.add(key);
  }
  // Unlike an assignment, this treats `__proto__` as an ordinary key.
  return Object.fromEntries(entries);
}
