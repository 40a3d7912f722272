import type { ByteSource } from '@sconce/storage';
import type { RowProblem } from '../dataset-error.ts';
import type { ReadOptions } from '../dataset-reader.ts';
import type { RowBlock } from '../row-block.ts';
import type { RecordFault, RecordSpan, RecordSyntax } from './record-scanner.ts';
import { recordWindows } from './record-windows.ts';

/** Turns records into rows of values. */
export interface RecordParser {
  /** For each requested column, its index in the rows that `parse` makes. */
  readonly at: readonly number[];
  /** How many cells of a row it reads as numbers. */
  readonly numbers?: number;
  /** Appends one row per span to `rows`, even for a bad row, and a problem for each bad row. */
  parse(bytes: Buffer, spans: readonly RecordSpan[], into: ParsedRows): void;
}

/** The rows of a block, while it is being filled. */
export interface ParsedRows {
  readonly rows: (readonly unknown[])[];
  readonly problems: Map<number, RowProblem>;
  /** For each row, the number of blank lines before it in the range. */
  readonly blankLines: number[];
  /** If the parser reads numbers: the numbers of all rows, and in `rest` the rows that have them in their cells instead. */
  readonly numbers?: { readonly values: Float32Array; readonly rest: number[] };
}

const EMPTY_ROW: readonly unknown[] = [];

/** The rows of a chunk of a text file. */
export async function* readText(
  source: ByteSource,
  options: ReadOptions,
  format: { readonly syntax: RecordSyntax; readonly parser: RecordParser },
): AsyncGenerator<RowBlock, void, undefined> {
  const { range, blockRows } = options;
  const { syntax, parser } = format;
  const end = range.offset + range.length;
  let firstRow = range.firstRow;
  const empty = (): ParsedRows => {
    const count = Math.min(blockRows, range.firstRow + range.rows - firstRow) * (parser.numbers ?? 0);
    const numbers = count === 0 ? undefined : { values: new Float32Array(count), rest: [] };
    return { rows: [], problems: new Map(), blankLines: [], numbers };
  };
  let blank = 0;
  let block = empty();
  const finish = (): RowBlock => {
    const { rows, problems, numbers, blankLines } = block;
    const done = {
      firstRow,
      rows: rows.length,
      cells: { by: 'row' as const, rows, at: parser.at },
      numbers,
      blankLines: (blankLines.at(-1) ?? 0) === 0 ? undefined : blankLines,
      problems,
    };
    firstRow += rows.length;
    block = empty();
    return done;
  };
  for await (const { bytes, spans } of recordWindows(source, { from: range.offset, to: end }, syntax)) {
    const rows = spans.filter((span) => !span.blank);
    const blanks = rows.length === spans.length ? undefined : blanksBefore(spans, blank);
    for (let start = 0; start < rows.length;) {
      const some = rows.slice(start, start + blockRows - block.rows.length);
      for (let index = 0; index < some.length; index++) block.blankLines.push(blanks?.[start + index] ?? blank);
      parseRecords(bytes, some, { parser, syntax, into: block });
      start += some.length;
      if (block.rows.length === blockRows) yield finish();
    }
    blank += spans.length - rows.length;
  }
  if (block.rows.length > 0) yield finish();
}

/** For each row, the number of blank lines before it. */
function blanksBefore(spans: readonly RecordSpan[], before: number): number[] {
  const counts: number[] = [];
  let blanks = before;
  for (const { blank } of spans) {
    if (blank) blanks += 1;
    else counts.push(blanks);
  }
  return counts;
}

function parseRecords(
  bytes: Buffer,
  spans: readonly RecordSpan[],
  options: { readonly parser: RecordParser; readonly syntax: RecordSyntax; readonly into: ParsedRows },
): void {
  const { parser, syntax, into } = options;
  let start = 0;
  for (const [index, { fault }] of spans.entries()) {
    if (fault === undefined) continue;
    if (index > start) parser.parse(bytes, spans.slice(start, index), into);
    into.problems.set(into.rows.length, { message: faultMessage(fault, syntax) });
    into.rows.push(EMPTY_ROW);
    start = index + 1;
  }
  if (start < spans.length) parser.parse(bytes, start === 0 ? spans : spans.slice(start), into);
}

function faultMessage(fault: RecordFault, { maxRecordBytes }: RecordSyntax): string {
  return fault === 'too_long'
    ? `the row is longer than the ${maxRecordBytes} bytes that a row may have`
    : 'the row has a quoted field without a closing quote';
}
