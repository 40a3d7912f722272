import { create, toBinary } from '@bufbuild/protobuf';
import { toSconceError } from '@sconce/errors';

import { encodeGraph, encodeModelHead, encodeTensorHead } from './encode-model.ts';
import { isExternal } from './external-data.ts';
import type { ExternalData, OnnxModel, OnnxTensor } from './model.ts';
import { GraphProtoSchema, ModelProtoSchema, TensorProtoSchema } from './onnx_pb.generated.ts';

/** An `.onnx` file as a list of pieces in order. */
export interface ModelPieces {
  /** Bytes of the whole file. */
  readonly byteLength: number;
  /** Bytes, or ranges of other files whose bytes belong in this place. */
  readonly pieces: readonly (Uint8Array | ExternalData)[];
}

/** Tags: a field number of onnx.proto, shifted by three bits, with the wire type "length-delimited" (2). */
const MODEL_GRAPH = (7 << 3) | 2;
const GRAPH_INITIALIZER = (5 << 3) | 2;
const TENSOR_RAW_DATA = (9 << 3) | 2;

/**
 * Encodes a model as pieces of a file that contains its weights. The caller can write the file without holding it in
 * memory: bytes of initializers are not copied, and external ranges are not read. The file may become larger than a
 * protobuf may be (`MAX_MODEL_BYTES`), so the caller must check `byteLength` first.
 *
 * Only initializers of the outermost graph are put inside. External data of other tensors stay external.
 *
 * @throws SconceError `internal` if ONNX requires a 64-bit integer and the number is not one.
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

/** A length-delimited field with these pieces as its content. */
function delimited(tag: number, content: readonly (Uint8Array | ExternalData)[]): (Uint8Array | ExternalData)[] {
  return [Uint8Array.of(tag, ...varint(withLength(content).byteLength)), ...content];
}

function withLength(pieces: readonly (Uint8Array | ExternalData)[]): ModelPieces {
  return { byteLength: pieces.reduce((sum, { length }) => sum + length, 0), pieces };
}

/** Encodes a size as protobuf does: seven bits in each byte, the lowest bits first. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  return [...bytes, rest];
}
