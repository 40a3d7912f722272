import { ScalarType, type DescField, type DescMessage } from '@bufbuild/protobuf';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

/** Bounds of {@link checkWire}. */
export interface WireLimits {
  /** Levels of nested messages. The outermost message is level 1. */
  readonly maxDepth: number;
  /** Bytes of memory that the decoded messages may take. The estimate is high. A byte field costs only its view. */
  readonly maxMemoryBytes: number;
}

/** Estimates of the memory that decoded parts take, in bytes. They are rather too high than too low. */
const MESSAGE_COST = 512;
const VIEW_COST = 128;
const BIGINT_COST = 32;
const NUMBER_COST = 8;

/**
 * Checks an encoded message without decoding it.
 *
 * @throws a plain Error if the message is malformed: a length goes past the enclosing message, a field has another wire
 * type than in the schema, or the nesting is too deep. Also if it has so many small parts that decoding would take far
 * more memory than the file (an empty message takes two bytes here and hundreds when decoded).
 */
export function checkWire(schema: DescMessage, bytes: Uint8Array, limits: WireLimits): void {
  const reader = new BinaryReader(bytes);
  let memoryBytes = 0;
  const charge = (cost: number): void => {
    memoryBytes += cost;
    if (memoryBytes > limits.maxMemoryBytes) {
      throw new Error(`it has too many parts: decoded it would take more than ${limits.maxMemoryBytes} bytes`);
    }
  };

  const message = (desc: DescMessage, end: number, depth: number): void => {
    if (depth > limits.maxDepth) throw new Error(`it is nested more than ${limits.maxDepth} levels deep`);
    charge(MESSAGE_COST);
    const fields = fieldsOf(desc);
    while (reader.pos < end) {
      const [number, wireType] = reader.tag();
      const field = fields.get(number);
      if (field === undefined) reader.skip(wireType, number, limits.maxDepth - depth);
      else if (wireType === WireType.LengthDelimited) delimited(field, end, depth);
      else if (field.fieldKind === 'list' ? field.listKind === 'scalar' : field.fieldKind === 'scalar') {
        if (wireType !== wireTypeOf(field.scalar)) throw new Error(`${String(field)} has the wire type ${wireType}`);
        charge(elementCost(field.scalar));
        reader.skip(wireType, number, 0);
      } else throw new Error(`${String(field)} has the wire type ${wireType}`);
    }
    if (reader.pos !== end) throw new Error(`${desc.typeName} runs past its end`);
  };

  const delimited = (field: DescField, end: number, depth: number): void => {
    const length = reader.uint32();
    const stop = reader.pos + length;
    if (stop > end) throw new Error(`${String(field)} runs past its end`);
    if (field.message !== undefined) return message(field.message, stop, depth + 1);
    const wireType = wireTypeOf(field.scalar);
    if (wireType === WireType.LengthDelimited) {
      charge(field.scalar === ScalarType.BYTES ? VIEW_COST : VIEW_COST + length);
    } else if (field.fieldKind === 'list') {
      const cost = elementCost(field.scalar);
      if (wireType === WireType.Varint) {
        if (length > 0 && (bytes[stop - 1] ?? 0) >= 0x80) throw new Error(`${String(field)} ends within a number`);
        // The last byte of a varint, and no other, has its highest bit clear.
        for (let at = reader.pos; at < stop; at++) if ((bytes[at] ?? 0) < 0x80) charge(cost);
      } else {
        const width = wireType === WireType.Bit32 ? 4 : 8;
        if (length % width !== 0) throw new Error(`${String(field)} ends within a number`);
        charge((length / width) * cost);
      }
    } else throw new Error(`${String(field)} has the wire type ${WireType.LengthDelimited}`);
    reader.pos = stop;
  };

  message(schema, bytes.byteLength, 1);
}

const fieldMaps = new WeakMap<DescMessage, ReadonlyMap<number, DescField>>();

function fieldsOf(desc: DescMessage): ReadonlyMap<number, DescField> {
  let fields = fieldMaps.get(desc);
  if (fields === undefined) {
    fields = new Map(desc.fields.map((field) => [field.number, field]));
    fieldMaps.set(desc, fields);
  }
  return fields;
}

function wireTypeOf(scalar: ScalarType | undefined): WireType {
  switch (scalar) {
    case ScalarType.FLOAT:
      return WireType.Bit32;
    case ScalarType.DOUBLE:
      return WireType.Bit64;
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return WireType.LengthDelimited;
    default:
      return WireType.Varint;
  }
}

function elementCost(scalar: ScalarType | undefined): number {
  return scalar === ScalarType.INT64 || scalar === ScalarType.UINT64 ? BIGINT_COST : NUMBER_COST;
}
