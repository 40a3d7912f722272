/** Wire types of the fields of `onnx.ModelProto` (onnx.proto); 0 is a varint, 2 is length-delimited. */
const MODEL_PROTO_FIELDS: ReadonlyMap<number, number> = new Map([
  [1, 0], // ir_version
  [2, 2], // producer_name
  [3, 2], // producer_version
  [4, 2], // domain
  [5, 0], // model_version
  [6, 2], // doc_string
  [7, 2], // graph
  [8, 2], // opset_import
  [14, 2], // metadata_props
  [20, 2], // training_info
  [25, 2], // functions
  [26, 2], // configuration
]);

// The first published ONNX had IR version 3; a TensorFlow SavedModel begins like an ONNX file of version 1.
const MIN_IR_VERSION = 3;
const MAX_IR_VERSION = 127;

/**
 * Whether bytes are a plausible beginning of a serialised `onnx.ModelProto`: `ir_version` first, as every serialiser
 * writes it, then only fields that a ModelProto has, as far as the head reaches.
 */
export function looksLikeOnnx(head: Uint8Array): boolean {
  const irVersion = head[1] ?? 0;
  if (head[0] !== 0x08 || irVersion < MIN_IR_VERSION || irVersion > MAX_IR_VERSION) return false;
  let offset = 2;
  while (offset < head.byteLength) {
    const tag = readVarint(head, offset);
    if (tag === undefined) return true; // Cut off by the end of the head.
    const wireType = tag.value & 7;
    if (MODEL_PROTO_FIELDS.get(tag.value >>> 3) !== wireType) return false;
    const value = readVarint(head, tag.end);
    if (value === undefined) return head.byteLength - tag.end < 10;
    offset = wireType === 2 ? value.end + value.value : value.end;
  }
  return true;
}

/** A varint of at most 10 bytes; undefined if the head ends within it or it is longer. */
function readVarint(head: Uint8Array, start: number): { readonly value: number; readonly end: number } | undefined {
  let value = 0;
  for (let index = 0; index < 10; index++) {
    const byte = head[start + index];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return { value, end: start + index + 1 };
  }
  return undefined;
}
