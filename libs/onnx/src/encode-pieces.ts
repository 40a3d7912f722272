import { create, toBinary } from '@bufbuild/protobuf';
import { toSconceError } from '@sconce/errors';

import { encodeGraph, encodeModelHead, encodeTensorHead } from './encode-model.ts';
import { isExternal } from './external-data.ts';
import type { ExternalData, OnnxModel, OnnxTensor } from './model.ts';
import { GraphProtoSchema, ModelProtoSchema, TensorProtoSchema } from './onnx_pb.generated.ts';

/** An `.onnx` file in pieces, in order: bytes, and ranges of other files whose bytes belong there. */
export interface ModelPieces {
  /** Bytes of the whole file. */
  readonly byteLength: number;
  readonly pieces: readonly (Uint8Array | ExternalData)[];
}

/** Fields as onnx.proto numbers them, shifted by three bits, of the wire type "length and bytes" (2). */
const MODEL_GRAPH = (7 << 3) | 2;
const GRAPH_INITIALIZER = (5 << 3) | 2;
const TENSOR_RAW_DATA = (9 << 3) | 2;

/**
 * A model with its weights inside as the pieces of its file, so that it can be written without ever being in memory:
 * initializers' bytes are not copied, and external ones not even read. The file may be larger than a protobuf may be
 * (`MAX_MODEL_BYTES`): look at `byteLength` before writing it.
 *
 * External data of tensors other than the graph's own initializers stay external.
 *
 * @throws SconceError `internal` for a number that is no 64-bit integer where ONNX wants one.
 */
export function encodeModelPieces(model: OnnxModel): ModelPieces {
  try {
    const { initializers } = model.graph;
    const raw = initializers.filter(hasBytes);
    const others = initializers.filter((tensor) => !hasBytes(tensor));
    const head = toBinary(ModelProtoSchema, create(ModelProtoSchema, encodeModelHead(model)));
    const rest = { ...model.graph, initializers: others };
    const graph = toBinary(GraphProtoSchema, create(GraphProtoSchema, encodeGraph(rest)));
    const tensors = raw.flatMap(tensorPieces);
    return withLength([head, ...delimited(MODEL_GRAPH, [graph, ...tensors])]);
  } catch (error) {
    throw toSconceError(error);
  }
}

type RawTensor = OnnxTensor & { readonly data: Uint8Array | ExternalData };

function hasBytes(tensor: OnnxTensor): tensor is RawTensor {
  return tensor.data instanceof Uint8Array || isExternal(tensor.data);
}

function tensorPieces(tensor: RawTensor): (Uint8Array | ExternalData)[] {
  const head = toBinary(TensorProtoSchema, create(TensorProtoSchema, encodeTensorHead(tensor)));
  return delimited(GRAPH_INITIALIZER, [head, ...delimited(TENSOR_RAW_DATA, [tensor.data])]);
}

/** A field whose content is these pieces. */
function delimited(tag: number, content: readonly (Uint8Array | ExternalData)[]): (Uint8Array | ExternalData)[] {
  return [Uint8Array.of(tag, ...varint(withLength(content).byteLength)), ...content];
}

function withLength(pieces: readonly (Uint8Array | ExternalData)[]): ModelPieces {
  return { byteLength: pieces.reduce((sum, { length }) => sum + length, 0), pieces };
}

/** Protobuf's form of a size: seven bits a byte, the lowest first. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  return [...bytes, rest];
}
