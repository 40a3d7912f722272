import {
  DATATYPE_BYTES,
  STEP_BYTES,
  byteLength,
  elementCount,
  formatSpec,
  tensorError,
  type Datatype,
  type FixedDatatype,
  type Steps,
  type Tensor,
  type TensorSpec,
} from '@sconce/tensor';
import { BYTES, FIXED32, FIXED64, VARINT, WireReader } from './wire-reader.ts';

/** How the elements of a datatype are sent. */
interface Contents {
  readonly field: number;
  readonly wire: number;
  /** The least and the largest value that the datatype holds, if the field holds more. */
  readonly range?: readonly [least: number, largest: number];
}

const FIELD_NAMES = [
  '',
  'bool_contents',
  'int_contents',
  'int64_contents',
  'uint_contents',
  'uint64_contents',
  'fp32_contents',
  'fp64_contents',
  'bytes_contents',
];

const CONTENTS: Readonly<Partial<Record<Datatype, Contents>>> = {
  BOOL: { field: 1, wire: VARINT },
  INT8: { field: 2, wire: VARINT, range: [-128, 127] },
  INT16: { field: 2, wire: VARINT, range: [-32_768, 32_767] },
  INT32: { field: 2, wire: VARINT },
  INT64: { field: 3, wire: VARINT },
  UINT8: { field: 4, wire: VARINT, range: [0, 255] },
  UINT16: { field: 4, wire: VARINT, range: [0, 65_535] },
  UINT32: { field: 4, wire: VARINT },
  UINT64: { field: 5, wire: VARINT },
  FP32: { field: 6, wire: FIXED32 },
  FP64: { field: 7, wire: FIXED64 },
  BYTES: { field: 8, wire: BYTES },
};

/** Values of variable length that one step reads. */
const STEP_VALUES = STEP_BYTES / 4;

/**
 * Reads InferTensorContents into a tensor, in steps. The memory that is made is bounded by the contents: each element takes at least a byte
 * of them. Throws 'invalid_tensor' if another field than that of the datatype is set, if there are more or fewer elements than the shape
 * has, or if a value does not fit; 'invalid_request' if the bytes are not valid protobuf.
 */
export function* readContents(spec: TensorSpec, bytes: Uint8Array | undefined): Steps<Tensor> {
  const { name, datatype, shape } = spec;
  const count = elementCount(shape, name);
  const contents = CONTENTS[datatype];
  if (bytes === undefined) {
    if (count > 0) throw tensorError(name, 'has neither contents nor raw_input_contents; expected one of them');
    return { name, datatype, shape, data: new Uint8Array(0) };
  }
  if (contents === undefined) throw tensorError(name, `is ${datatype}, which has no contents; send raw_input_contents`);
  if (datatype === 'BYTES') return { name, datatype, shape, data: yield* bytesElements(spec, bytes, count) };
  if (bytes.length < count) throw wrongCount(spec, `fewer than ${count}`, count);
  const into = new Elements(spec, datatype, contents);
  const reader = new WireReader(bytes);
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (!isField(field, contents, spec)) {
      reader.skip();
      yield;
    } else if (reader.wire === BYTES) yield* into.takePacked(reader.bytes());
    else {
      reader.expect(contents.wire, FIELD_NAMES[contents.field] ?? '');
      into.take(reader);
    }
    if (into.count % STEP_VALUES === 0) yield;
  }
  if (into.count !== count) throw wrongCount(spec, String(into.count), count);
  return { name, datatype, shape, data: into.data };
}

/** Whether this is the field of the datatype. False for unknown fields. @throws SconceError 'invalid_tensor' for the field of another. */
function isField(field: number, { field: own }: Contents, { name, datatype }: TensorSpec): boolean {
  if (field === own) return true;
  const other = FIELD_NAMES[field];
  if (other === undefined) return false;
  throw tensorError(name, `has ${other}; ${datatype} takes ${FIELD_NAMES[own]}`);
}

function wrongCount(spec: TensorSpec, got: string, count: number): Error {
  return tensorError(spec.name, `contents has ${got} elements; expected ${count} for ${formatSpec(spec)}`);
}

/** The elements of a tensor of numbers, as they come. */
class Elements {
  readonly data: Uint8Array;
  /** Elements that have come. */
  count = 0;
  readonly #spec: TensorSpec;
  readonly #contents: Contents;
  readonly #size: number;
  readonly #view: DataView;

  constructor(spec: TensorSpec, datatype: FixedDatatype, contents: Contents) {
    this.data = new Uint8Array(byteLength(datatype, spec.shape, spec.name));
    this.#spec = spec;
    this.#contents = contents;
    this.#size = DATATYPE_BYTES[datatype];
    this.#view = new DataView(this.data.buffer);
  }

  /** Takes the value that the reader is at. */
  take(reader: WireReader): void {
    const { wire } = this.#contents;
    const at = this.#room(1);
    if (wire === VARINT) this.#write(at, reader.varint(), reader.high);
    else this.data.set(reader.fixed(wire === FIXED32 ? 4 : 8), at);
  }

  *takePacked(bytes: Uint8Array): Steps<void> {
    const { wire } = this.#contents;
    if (wire !== VARINT) {
      const { length } = bytes;
      if (length % this.#size !== 0)
        throw tensorError(this.#spec.name, `contents has ${length} bytes; expected a multiple of ${this.#size}`);
      this.data.set(bytes, this.#room(length / this.#size));
      return;
    }
    const reader = new WireReader(bytes);
    while (!reader.isAtEnd) {
      this.take(reader);
      if (this.count % STEP_VALUES === 0) yield;
    }
  }

  /** The offset of so many elements, which come next. */
  #room(elements: number): number {
    const at = this.count * this.#size;
    this.count += elements;
    if (this.count * this.#size > this.data.length) {
      const count = this.data.length / this.#size;
      throw wrongCount(this.#spec, `more than ${count}`, count);
    }
    return at;
  }

  #write(at: number, low: number, high: number): void {
    const { range } = this.#contents;
    const { datatype, name } = this.#spec;
    if (range !== undefined) {
      const value = range[0] < 0 ? low | 0 : low;
      if (value < range[0] || value > range[1]) {
        throw tensorError(name, `element ${this.count - 1} is ${value}; ${datatype} takes ${range[0]} to ${range[1]}`);
      }
    }
    if (datatype === 'BOOL') this.data[at] = (low | high) === 0 ? 0 : 1;
    else if (this.#size === 1) this.data[at] = low;
    else if (this.#size === 2) this.#view.setUint16(at, low, true);
    else {
      this.#view.setUint32(at, low, true);
      if (this.#size === 8) this.#view.setUint32(at + 4, high, true);
    }
  }
}

/** Reads bytes_contents into the form of the datatype BYTES: a length of 4 bytes before each element. */
function* bytesElements(spec: TensorSpec, bytes: Uint8Array, count: number): Steps<Uint8Array> {
  const contents: Contents = { field: 8, wire: BYTES };
  let elements = 0;
  let total = 0;
  for (const reader = new WireReader(bytes); ;) {
    const field = reader.next();
    if (field === 0) break;
    if (isField(field, contents, spec)) {
      reader.expect(BYTES, 'bytes_contents');
      total += 4 + reader.bytes().length;
      elements += 1;
      if (elements > count) throw wrongCount(spec, `more than ${count}`, count);
    } else reader.skip();
    if (elements % STEP_VALUES === 0) yield;
  }
  if (elements !== count) throw wrongCount(spec, String(elements), count);
  const data = new Uint8Array(total);
  const view = new DataView(data.buffer);
  let at = 0;
  for (const reader = new WireReader(bytes); ;) {
    const field = reader.next();
    if (field === 0) return data;
    if (field === 8) {
      const element = reader.bytes();
      view.setUint32(at, element.length, true);
      data.set(element, at + 4);
      at += 4 + element.length;
      elements -= 1;
    } else reader.skip();
    if (elements % STEP_VALUES === 0) yield;
  }
}
