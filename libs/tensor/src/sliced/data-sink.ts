import { formatSpec, type FixedDatatype, type Tensor, type TensorSpec } from '../datatype.ts';
import { ELEMENT_TEXT, writeInto } from '../json-elements.ts';
import type { NonFinite } from '../oip-json.ts';
import { describeValue, tensorError } from '../tensor-error.ts';
import { allocateView, bytesOf, type ViewByDatatype } from '../typed-view.ts';

/** Takes the elements of a tensor piece by piece. */
export interface DataSink {
  /** Elements so far. */
  readonly length: number;
  /** Takes the next elements, as JSON.parse gives them. Throws 'invalid_tensor' for an element that the tensor cannot hold. */
  add(elements: readonly unknown[]): void;
  /** Takes an element that is a string too long to be parsed at once, in pieces of well-formed text. */
  beginString(): void;
  addText(text: string): void;
  endString(): void;
  /** The tensor. Throws 'invalid_tensor' if elements are missing. */
  end(): Tensor;
}

/** What a sink needs to know about its tensor. */
export interface SinkOptions {
  readonly spec: TensorSpec;
  /** Elements that the shape asks for. */
  readonly count: number;
  /** The position of an element, as messages show it: `[1][0]`. */
  readonly pathOf: (index: number) => string;
  /** Length of the text of the data. No data has more bytes, apart from the length prefixes of BYTES. */
  readonly textBytes: number;
  readonly nonFinite: NonFinite;
}

/** A sink for a tensor of this datatype. */
export function openSink(options: SinkOptions): DataSink {
  const { spec, count, textBytes } = options;
  // Each element but the last has at least one character and a comma. So no memory is taken for elements that cannot be there.
  if (count > (textBytes + 1) / 2) throw tooFew(spec, count);
  return spec.datatype === 'BYTES' ? new BytesSink(options) : new NumberSink(options, spec.datatype);
}

function tooFew(spec: TensorSpec, count: number, got?: number): Error {
  const has = got === undefined ? 'fewer elements than expected' : `${got} elements`;
  return tensorError(spec.name, `data has ${has}; expected ${count} for ${formatSpec(spec)}`);
}

function refuse({ spec, pathOf }: SinkOptions, index: number, what: string): Error {
  return tensorError(
    spec.name,
    `data${pathOf(index)} is ${what}; ${spec.datatype} takes ${ELEMENT_TEXT[spec.datatype]}`,
  );
}

/** The checks that both kinds of sinks make. */
abstract class Sink {
  length = 0;
  protected readonly options: SinkOptions;

  constructor(options: SinkOptions) {
    this.options = options;
  }

  protected checkRoom(more: number): void {
    const { spec, count } = this.options;
    if (this.length + more <= count) return;
    throw tensorError(spec.name, `data has more than ${count} elements; expected ${count} for ${formatSpec(spec)}`);
  }

  protected checkComplete(): void {
    const { spec, count } = this.options;
    if (this.length !== count) throw tooFew(spec, count, this.length);
  }
}

class NumberSink extends Sink implements DataSink {
  readonly #datatype: FixedDatatype;
  readonly #view: ViewByDatatype[FixedDatatype];

  constructor(options: SinkOptions, datatype: FixedDatatype) {
    super(options);
    this.#datatype = datatype;
    this.#view = allocateView(datatype, options.count);
  }

  add(elements: readonly unknown[]): void {
    this.checkRoom(elements.length);
    const { nonFinite } = this.options;
    const wrong = writeInto(this.#datatype, [elements], { view: this.#view, from: this.length, nonFinite });
    if (wrong >= 0) throw refuse(this.options, wrong, describeValue(elements[wrong - this.length]));
    this.length += elements.length;
  }

  beginString(): void {
    throw refuse(this.options, this.length, 'a string');
  }

  addText(): void {
    this.beginString();
  }

  endString(): void {
    this.beginString();
  }

  end(): Tensor {
    this.checkComplete();
    const { name, datatype, shape } = this.options.spec;
    return { name, datatype, shape, data: bytesOf(this.#view as ArrayBufferView) };
  }
}

const PREFIX_BYTES = 4;

/** UTF-8 of JSON strings is never longer than their text. */
class BytesSink extends Sink implements DataSink {
  readonly #data: Buffer;
  #bytes = 0;
  #start = 0;

  constructor(options: SinkOptions) {
    super(options);
    this.#data = Buffer.allocUnsafeSlow(options.textBytes + PREFIX_BYTES * options.count);
  }

  add(elements: readonly unknown[]): void {
    this.checkRoom(elements.length);
    for (const element of elements) {
      if (typeof element !== 'string') throw refuse(this.options, this.length, describeValue(element));
      this.beginString();
      this.addText(element);
      this.endString();
    }
  }

  beginString(): void {
    this.checkRoom(1);
    this.#start = this.#bytes;
    this.#bytes += PREFIX_BYTES;
  }

  addText(text: string): void {
    // A lone surrogate has no UTF-8 form. Encoding would replace it by another character without an error.
    if (!text.isWellFormed()) throw refuse(this.options, this.length, describeValue(text));
    this.#bytes += this.#data.write(text, this.#bytes);
  }

  endString(): void {
    this.#data.writeUInt32LE(this.#bytes - this.#start - PREFIX_BYTES, this.#start);
    this.length += 1;
  }

  end(): Tensor {
    this.checkComplete();
    const { name, datatype, shape } = this.options.spec;
    return { name, datatype, shape, data: this.#data.subarray(0, this.#bytes) };
  }
}
