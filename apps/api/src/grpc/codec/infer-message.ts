import {
  readOutputHead,
  readTensorHead,
  named,
  requestError,
  unusedParts,
  type InferHead,
  type OipParameters,
  type OutputHead,
  type TensorHead,
} from '@sconce/tensor';
import { messageError, VARINT, WireReader, FIXED64 } from './wire-reader.ts';

/** Most fields of a message outside its tensors, as many as JSON may have values there (ADR 36). */
const MAX_FIELDS = 32_768;
const NO_BYTES = new Uint8Array(0);
const NO_EXTRA = {};

/** A ModelInferRequest that is not yet compared with a model's signature. Its bytes are views of the message. */
export interface InferMessage {
  readonly modelName: string;
  /** Undefined: the version that is served. */
  readonly modelVersion: string | undefined;
  readonly head: InferHead;
  /** The `contents` of each input, not read yet. */
  readonly contents: readonly (Uint8Array | undefined)[];
  /** Raw contents: of no input, or of all. */
  readonly raw: readonly Uint8Array[];
}

/**
 * Reads a ModelInferRequest up to its tensors. Throws 'invalid_request' if it is not valid protobuf, or has more than 32,768 fields outside
 * its tensors; 'invalid_tensor' for an unknown datatype, an impossible shape, or if raw contents do not match the inputs.
 */
export function readInferMessage(bytes: Uint8Array): InferMessage {
  const reader = new WireReader(bytes);
  const fields = new FieldCount();
  const inputs: TensorHead[] = [];
  const contents: (Uint8Array | undefined)[] = [];
  const outputs: OutputHead[] = [];
  const raw: Uint8Array[] = [];
  const parameters: Record<string, string | number | boolean> = {};
  let modelName = '';
  let modelVersion = '';
  let id = '';
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    fields.add();
    if (field === 1) modelName = reader.text('model_name');
    else if (field === 2) modelVersion = reader.text('model_version');
    else if (field === 3) id = reader.text('id');
    else if (field === 4) readParameter(reader.message('parameters'), parameters, fields);
    else if (field === 5) {
      const input = readInput(reader.message('inputs'), `inputs[${inputs.length}]`, fields);
      inputs.push(input.head);
      contents.push(input.contents);
    } else if (field === 6) {
      outputs.push(readOutput(reader.message('outputs'), `outputs[${outputs.length}]`, fields));
    } else if (field === 7) {
      reader.expect(2, 'raw_input_contents');
      raw.push(reader.bytes());
    } else fields.skip(reader, '', field);
  }
  checkRaw(raw, contents);
  const own = {
    parameters,
    inputs,
    outputs: outputs.length > 0 ? outputs : undefined,
    extra: NO_EXTRA,
    binary: NO_BYTES,
  };
  const unused = fields.withUnused(unusedParts(own));
  const head = unused === undefined ? own : { ...own, unused };
  return {
    modelName,
    modelVersion: modelVersion === '' ? undefined : modelVersion,
    head: id === '' ? head : { id, ...head },
    contents,
    raw,
  };
}

/** Counts the fields of a message outside its tensors: each may cost an object. Remembers the fields that the service does not define. */
class FieldCount {
  #count = 0;
  #unknown: string[] | undefined;

  add(): void {
    this.#count += 1;
    if (this.#count <= MAX_FIELDS) return;
    throw requestError('body', `the message has more than ${MAX_FIELDS} fields outside its tensors; expected fewer`);
  }

  /** Skips a field that the service does not define. */
  skip(reader: WireReader, path: string, field: number): void {
    this.#unknown = named(this.#unknown, `${path}field ${field}`);
    reader.skip();
  }

  /** The unknown fields and `unused`; undefined if there are none. */
  withUnused(unused: string[] | undefined): string[] | undefined {
    return this.#unknown === undefined ? unused : [...this.#unknown, ...(unused ?? [])];
  }
}

function checkRaw(raw: readonly Uint8Array[], contents: readonly (Uint8Array | undefined)[]): void {
  if (raw.length === 0) return;
  if (raw.length !== contents.length) {
    throw requestError(
      'raw_input_contents',
      `raw_input_contents has ${raw.length} entries; expected one for each of the ${contents.length} inputs, or none`,
    );
  }
  const both = contents.findIndex((own) => own !== undefined);
  if (both >= 0) {
    throw requestError(
      'raw_input_contents',
      `inputs[${both}] has contents, and the message has raw_input_contents; expected only one of them`,
    );
  }
}

function readInput(
  reader: WireReader,
  path: string,
  fields: FieldCount,
): { readonly head: TensorHead; readonly contents: Uint8Array | undefined } {
  const shape: number[] = [];
  const parameters: Record<string, string | number | boolean> = {};
  let name = '';
  let datatype = '';
  let contents: Uint8Array | undefined;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    fields.add();
    if (field === 1) name = reader.text('name');
    else if (field === 2) datatype = reader.text('datatype');
    else if (field === 3) readShape(reader, shape, fields);
    else if (field === 4) readParameter(reader.message('parameters'), parameters, fields);
    else if (field === 5) {
      reader.expect(2, 'contents');
      if (contents !== undefined) throw messageError(`${path} has two contents`);
      contents = reader.bytes();
    } else fields.skip(reader, `${path}.`, field);
  }
  return { head: readTensorHead({ name, datatype, shape, parameters }, path), contents };
}

function readOutput(reader: WireReader, path: string, fields: FieldCount): OutputHead {
  const parameters: Record<string, string | number | boolean> = {};
  let name = '';
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    fields.add();
    if (field === 1) name = reader.text('name');
    else if (field === 2) readParameter(reader.message('parameters'), parameters, fields);
    else fields.skip(reader, `${path}.`, field);
  }
  return readOutputHead({ name, parameters }, path);
}

/** Appends one dimension, or packed dimensions. */
function readShape(reader: WireReader, shape: number[], fields: FieldCount): void {
  if (reader.wire === VARINT) {
    shape.push(reader.int64());
    return;
  }
  const packed = reader.message('shape');
  while (!packed.isAtEnd) {
    fields.add();
    shape.push(packed.int64());
  }
}

/** Reads an entry of a map of InferParameter. */
function readParameter(reader: WireReader, into: Record<string, OipParameters[string]>, fields: FieldCount): void {
  let key = '';
  let value: OipParameters[string] | undefined;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    fields.add();
    if (field === 1) key = reader.text('key');
    else if (field === 2) value = readValue(reader.message('value'), fields);
    else reader.skip();
  }
  if (value === undefined) throw requestError(key, `parameter "${key.slice(0, 100)}" has no value; expected one`);
  // Also for "__proto__", which an assignment would not keep.
  Object.defineProperty(into, key, { value, enumerable: true, configurable: true, writable: true });
}

function readValue(reader: WireReader, fields: FieldCount): OipParameters[string] | undefined {
  let value: OipParameters[string] | undefined;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    fields.add();
    if (field === 3) value = reader.text('string_param');
    else if (field === 4) {
      reader.expect(FIXED64, 'double_param');
      value = reader.double();
    } else if (field === 1 || field === 2 || field === 5) {
      reader.expect(VARINT, 'a number of a parameter');
      if (field === 2) value = reader.int64();
      else if (field === 5) value = reader.uint64();
      else value = (reader.varint() | reader.high) !== 0;
    } else reader.skip();
  }
  return value;
}
