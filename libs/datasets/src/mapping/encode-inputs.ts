import { encodeBytes, type FixedDatatype, type Tensor } from '@sconce/tensor';
import { datasetError, placesOf, shown, type RowProblem } from '../dataset-error.ts';
import { cellOf, type Cells, type RowBlock } from '../row-block.ts';
import {
  copyElements,
  elementsOf,
  numberOf,
  writeElement,
  type ElementArray,
  type ElementOptions,
  type ElementTarget,
} from './element-writers.ts';
import { columnsOf, sizeOf, type MappedInput } from './input-mapping.ts';
import { flatten } from './list-values.ts';

/** Rows of a block that have the same shape, so that they can share a run. */
export interface InputGroup {
  /** Their indexes in the block, ascending. */
  readonly rows: readonly number[];
  /** In the model's order. Axis 0 has one entry per row, except for inputs without rows. */
  readonly inputs: readonly Tensor[];
}

/** The tensors of a block. */
export interface EncodedInputs {
  readonly groups: readonly InputGroup[];
  /** Bad rows by their index in the block. */
  readonly problems: ReadonlyMap<number, RowProblem>;
}

/** Turns the rows of blocks into tensors. A row that does not fit becomes a problem and does not affect other rows. */
export class InputEncoder {
  /** Columns to read, in the order of the blocks. */
  readonly columns: readonly string[];
  /** The columns that make an FP32 tensor, one element each. A reader should read them as numbers. */
  readonly numbers: readonly string[] | undefined;
  readonly #places: ReadonlyMap<string, number>;
  readonly #inputs: readonly MappedInput[];
  readonly #options: ElementOptions;
  readonly #constants: ReadonlyMap<string, Tensor>;

  /** @throws SconceError `invalid_dataset` for a constant that does not fit its input. */
  constructor(inputs: readonly MappedInput[], options: ElementOptions) {
    this.#inputs = inputs;
    this.#options = options;
    this.columns = columnsOf(inputs);
    this.#places = placesOf(this.columns);
    // A reader reads numbers of the usual form only.
    this.numbers = options.numbers === undefined ? numbersOf(inputs) : undefined;
    this.#constants = new Map(
      inputs.flatMap((input) =>
        input.source.kind === 'constant' ? [[input.name, constantTensor(input, input.source.value, options)]] : [],
      ),
    );
  }

  /** The block's tensors. Its cells begin with `columns`, in order; other columns may follow. */
  encode(block: RowBlock): EncodedInputs {
    const problems = new Map(block.problems);
    const encoded = this.#inputs.map((input) => this.#encodeInput(block, input, problems));
    const groups = new Map<string, { rows: number[]; shapes: readonly (readonly number[])[] }>();
    // With fixed shapes all rows have the same shape: one group, without a key for each row.
    const free = encoded.some((input) => input.kind === 'free');
    const alone = !this.#inputs.some(({ hasRows }) => hasRows);
    for (let row = 0; row < block.rows; row++) {
      if (problems.size > 0 && problems.has(row)) continue;
      const key = alone ? String(row) : free ? keyOf(encoded, row) : '';
      let group = groups.get(key);
      if (group === undefined) {
        group = { rows: [], shapes: encoded.map((input) => (input.kind === 'free' ? (input.shapes[row] ?? []) : [])) };
        groups.set(key, group);
      }
      group.rows.push(row);
    }
    return {
      groups: [...groups.values()].map(({ rows, shapes }) => ({
        rows,
        inputs: encoded.map((input, index) => input.tensor(rows, shapes[index] ?? [])),
      })),
      problems,
    };
  }

  #encodeInput(block: RowBlock, input: MappedInput, problems: Map<number, RowProblem>): EncodedInput {
    const { source, name } = input;
    const constant = this.#constants.get(name);
    if (constant !== undefined)
      return { kind: 'fixed', tensor: (rows) => repeatConstant(input, constant, rows.length) };
    const options = this.#options;
    if (source.kind === 'constant') throw new Error('the constant has no tensor');
    const names = source.kind === 'list' ? [source.column] : source.columns;
    const at = names.map((column) => this.#places.get(column) ?? -1);
    const numbers = isSame(names, this.numbers) ? block.numbers : undefined;
    const fill: Fill = { block, input, names, at, problems, options, numbers };
    if (input.datatype === 'BYTES') return encodeText(fill);
    const size = sizeOf(input.rowShape, name);
    if (size === undefined) return encodeFree(fill, input.datatype);
    return encodeFixed(fill, input.datatype, size);
  }
}

/** The columns of the first FP32 input that has one column per element. */
function numbersOf(inputs: readonly MappedInput[]): readonly string[] | undefined {
  for (const { source, datatype, rowShape } of inputs) {
    if (datatype !== 'FP32') continue;
    if (source.kind === 'scalars' && new Set(source.columns).size === source.columns.length) return source.columns;
    if (source.kind === 'list' && rowShape.length === 0) return [source.column];
  }
  return undefined;
}

function isSame(names: readonly string[], others: readonly string[] | undefined): boolean {
  return others?.length === names.length && names.every((name, index) => others[index] === name);
}

function keyOf(encoded: readonly EncodedInput[], row: number): string {
  return encoded.map((input) => (input.kind === 'free' ? input.shapes[row]?.join('x') : '')).join('|');
}

interface Fill {
  readonly block: RowBlock;
  readonly input: MappedInput;
  readonly names: readonly string[];
  readonly at: readonly number[];
  readonly problems: Map<number, RowProblem>;
  readonly options: ElementOptions;
  /** The input's numbers, if the reader has read them. */
  readonly numbers: RowBlock['numbers'];
}

type EncodedInput =
  | { readonly kind: 'fixed'; tensor(rows: readonly number[], shape: readonly number[]): Tensor }
  | {
      readonly kind: 'free';
      readonly shapes: readonly (readonly number[])[];
      tensor(rows: readonly number[], shape: readonly number[]): Tensor;
    };

/** Encodes rows of a fixed size into one array for the block. Bad rows are left out at the end. */
function encodeFixed(fill: Fill, datatype: FixedDatatype, size: number): EncodedInput {
  const { block, input, problems, names, at, options, numbers } = fill;
  const out = numbers?.values ?? elementsOf(datatype, block.rows * size);
  const [only = ''] = names;
  const lists = input.source.kind === 'list' && !(size === 1 && input.rowShape.length === 0);
  if (lists) {
    const bytes = out.BYTES_PER_ELEMENT;
    for (let row = 0; row < block.rows; row++) {
      if (problems.has(row)) continue;
      const value = cellOf(block.cells, row, at[0] ?? -1);
      const target = { datatype, out: view(out, row * size * bytes, size), options };
      const problem = writeList(target, value, input.rowShape);
      if (problem !== undefined) problems.set(row, { column: only, message: problem });
    }
  } else if (
    numbers !== undefined ||
    !(datatype === 'FP32' && options.numbers === undefined && fillText(out as Float32Array, block.cells, at))
  ) {
    const target = { datatype, out, options };
    for (const row of numbers?.rest ?? Array.from({ length: block.rows }, (_, index) => index)) {
      if (problems.has(row)) continue;
      for (let index = 0; index < size; index++) {
        const problem = writeElement(target, row * size + index, cellOf(block.cells, row, at[index] ?? -1));
        if (problem === undefined) continue;
        problems.set(row, { column: names[index] ?? only, message: problem });
        break;
      }
    }
  }
  return {
    kind: 'fixed',
    tensor: (rows) => {
      const { name, rowShape, hasRows } = input;
      const all = new Uint8Array(out.buffer, out.byteOffset, out.byteLength);
      const data = rows.length === block.rows ? all : pick(all, rows, size * out.BYTES_PER_ELEMENT);
      return { name, datatype, shape: hasRows ? [rows.length, ...rowShape] : rowShape, data };
    },
  };
}

/** The common case in one fast loop: numbers as text. False if a cell needs a closer check. */
function fillText(out: Float32Array, cells: Cells, at: readonly number[]): boolean {
  if (cells.by !== 'row') return false;
  const places = at.map((column) => cells.at[column] ?? -1);
  let next = 0;
  for (const row of cells.rows) {
    for (const column of places) {
      const cell = row[column];
      if (typeof cell !== 'string') return false;
      const value = numberOf(cell);
      if (value === undefined) return false;
      out[next] = value;
      next += 1;
    }
  }
  for (const value of out) if (!Number.isFinite(value)) return false;
  return true;
}

/** Encodes rows whose lists differ in length. */
function encodeFree(fill: Fill, datatype: FixedDatatype): EncodedInput {
  const { block, input, problems, names, at, options } = fill;
  const shapes: (readonly number[])[] = [];
  const values: ElementArray[] = [];
  for (let row = 0; row < block.rows; row++) {
    if (problems.has(row)) continue;
    const flat = flatten(cellOf(block.cells, row, at[0] ?? -1), input.rowShape);
    if ('problem' in flat) {
      problems.set(row, { column: names[0] ?? '', message: flat.problem });
      continue;
    }
    const out = elementsOf(datatype, flat.values.length);
    const problem = writeAll({ datatype, out, options }, flat.values);
    if (problem !== undefined) problems.set(row, { column: names[0] ?? '', message: problem });
    shapes[row] = flat.shape;
    values[row] = out;
  }
  return {
    kind: 'free',
    shapes,
    tensor: (rows, shape) => {
      const { name, hasRows } = input;
      const parts = rows.flatMap((row) => values[row] ?? []);
      const data = Buffer.concat(parts.map((part) => new Uint8Array(part.buffer, part.byteOffset, part.byteLength)));
      return { name, datatype, shape: hasRows ? [rows.length, ...shape] : shape, data };
    },
  };
}

function encodeText(fill: Fill): EncodedInput {
  const { block, input, problems, names, at, options } = fill;
  const shapes: (readonly number[])[] = [];
  const texts: (readonly string[])[] = [];
  for (let row = 0; row < block.rows; row++) {
    if (problems.has(row)) continue;
    const cells = at.map((column) => textOf(cellOf(block.cells, row, column), options));
    const scalar = input.rowShape.length === 0 || input.source.kind === 'scalars';
    const flat = scalar ? { values: cells, shape: input.rowShape } : flatten(cells[0], input.rowShape);
    if ('problem' in flat) {
      problems.set(row, { column: names[0] ?? '', message: flat.problem });
      continue;
    }
    const wrong = Array.from(flat.values).findIndex((value) => typeof value !== 'string' || !value.isWellFormed());
    if (wrong >= 0)
      problems.set(row, { column: names[wrong] ?? names[0] ?? '', message: 'not text; expected text (BYTES)' });
    shapes[row] = flat.shape;
    texts[row] = flat.values as readonly string[];
  }
  return {
    kind: 'free',
    shapes,
    tensor: (rows, shape) => {
      const { name, hasRows } = input;
      const data = encodeBytes(rows.flatMap((row) => texts[row] ?? []));
      return { name, datatype: 'BYTES', shape: hasRows ? [rows.length, ...shape] : shape, data };
    },
  };
}

/** Text for a missing one. Empty text is text, and so are words such as `NA`. */
function textOf(value: unknown, { missing }: ElementOptions): unknown {
  return (value === null || value === undefined) && typeof missing === 'string' ? missing : value;
}

function writeList(target: ElementTarget, value: unknown, rowShape: readonly number[]): string | undefined {
  const flat = flatten(value, rowShape);
  return 'problem' in flat ? flat.problem : writeAll(target, flat.values);
}

function writeAll(target: ElementTarget, values: ArrayLike<unknown>): string | undefined {
  if (copyElements(target, values)) return undefined;
  for (let index = 0; index < values.length; index++) {
    const problem = writeElement(target, index, values[index]);
    if (problem !== undefined) return `element ${index} is ${problem}`;
  }
  return undefined;
}

function view(array: ElementArray, byteOffset: number, length: number): ElementArray {
  const View = array.constructor as new (buffer: ArrayBufferLike, byteOffset: number, length: number) => ElementArray;
  return new View(array.buffer, array.byteOffset + byteOffset, length);
}

function pick(all: Uint8Array, rows: readonly number[], rowBytes: number): Uint8Array {
  const data = new Uint8Array(rows.length * rowBytes);
  let next = 0;
  for (const row of rows) {
    data.set(all.subarray(row * rowBytes, (row + 1) * rowBytes), next);
    next += rowBytes;
  }
  return data;
}

function constantTensor(input: MappedInput, value: unknown, options: ElementOptions): Tensor {
  const { name, datatype, rowShape } = input;
  const scalar = rowShape.length === 0 && !Array.isArray(value);
  const flat = scalar ? { values: [value], shape: [] } : flatten(value, rowShape);
  const refuse = (why: string): Error =>
    datasetError(`The value of input ${shown(name)} is ${why}.`, { param: `inputs.${name}` });
  if ('problem' in flat) throw refuse(flat.problem);
  if (datatype === 'BYTES') {
    const texts = Array.from(flat.values);
    if (!texts.every((text) => typeof text === 'string')) throw refuse('not text');
    return { name, datatype, shape: flat.shape, data: encodeBytes(texts) };
  }
  const out = elementsOf(datatype, flat.values.length);
  const problem = writeAll({ datatype, out, options }, flat.values);
  if (problem !== undefined) throw refuse(problem);
  return { name, datatype, shape: flat.shape, data: new Uint8Array(out.buffer, out.byteOffset, out.byteLength) };
}

/** A copy of the constant, or one copy per row if the input has rows. The receiver of the tensors may transfer their memory. */
function repeatConstant({ hasRows }: MappedInput, constant: Tensor, rows: number): Tensor {
  if (!hasRows) return { ...constant, data: Uint8Array.from(constant.data) };
  const data = Buffer.concat(Array.from({ length: rows }, () => constant.data));
  return { ...constant, shape: [rows, ...constant.shape], data };
}
