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
import { text } from './text.ts';

/** Levels of protobuf messages. A graph within a graph takes three, so bodies may be some thirty deep. */
const MAX_DEPTH = 100;

/** What a file of any size may take decoded; large ones some times their size besides. */
const BASE_MEMORY_BYTES = 2 ** 28;
const MEMORY_BYTES_PER_BYTE = 8;

/**
 * Reads an `.onnx` file. Tensors' raw data stay views into `bytes`, at any alignment: whoever keeps the model keeps
 * the bytes, and must not change them. What the model has no place for (documentation, value_info, training) is left
 * out; what would change its meaning (functions, sparse tensors, types other than tensors) is refused.
 *
 * @throws SconceError `model_invalid`, saying where, for anything that is not such a file.
 */
export function decodeModel(bytes: Uint8Array): OnnxModel {
  // The views into a Buffer would be Buffers, whose slice() and toJSON() differ.
  const proto = parse(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  if (proto.graph === undefined) throw onnxError('the file holds no ONNX graph: is it an .onnx model?');
  if (proto.functions.length > 0) {
    throw onnxError('the model defines functions of its own, which is not supported: inline them first');
  }
  const opsets = proto.opsetImport.map(({ domain, version }): [string, number] => [
    plainDomain(domain),
    Number(version),
  ]);
  return {
    irVersion: Number(proto.irVersion),
    opsets: record(opsets, 'the operator set', 'the model'),
    producer: proto.producerName,
    graph: decodeGraph(proto.graph),
    metadata: record(
      proto.metadataProps.map(({ key, value }) => [key, value]),
      'the metadata',
      'the model',
    ),
  };
}

function parse(bytes: Uint8Array): ModelProto {
  if (bytes.byteLength > MAX_MODEL_BYTES) throw onnxError(`the file has ${bytes.byteLength} bytes; ONNX ends at 2 GiB`);
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
  if (graph.sparseInitializer.length > 0) throw onnxError(`${where} has sparse initializers, which is not supported`);
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
    domain: plainDomain(node.domain),
    name: node.name,
    inputs: node.input,
    outputs: node.output,
    attributes: record(
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
      return { int: narrow(attribute.i) };
    case ATTRIBUTE_TYPES.INTS:
      return { ints: attribute.ints.map(narrow) };
    case ATTRIBUTE_TYPES.FLOAT:
      return { float: attribute.f };
    case ATTRIBUTE_TYPES.FLOATS:
      return { floats: attribute.floats };
    case ATTRIBUTE_TYPES.STRING:
      return { string: text(attribute.s, where) };
    case ATTRIBUTE_TYPES.STRINGS:
      return { strings: attribute.strings.map((bytes) => text(bytes, where)) };
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
    throw onnxError(`${where} has no tensor type; sequences, maps and the like are not supported`);
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
  throw onnxError(`${where} has a dimension of ${dim.dimValue}; expected 0 to 2^53-1, or none where it is free`);
}

/** `ai.onnx` is the long form of ONNX's own domain. */
function plainDomain(domain: string): string {
  return domain === 'ai.onnx' ? '' : domain;
}

/** A number where it is exact, else the bigint. */
function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function record<T>(
  entries: readonly (readonly [string, T])[],
  what: string,
  where: string,
): Readonly<Record<string, T>> {
  const seen = new Set<string>();
  for (const [key] of entries) {
    if (seen.has(key)) throw onnxError(`${where} has ${what} "${key}" twice`);
    seen.add(key);
  }
  // Unlike assignments, this keeps a key such as `__proto__` an ordinary one.
  return Object.fromEntries(entries);
}
