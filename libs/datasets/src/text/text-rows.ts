import type { ByteSource } from '@sconce/storage';
import type { RowProblem } from '../dataset-error.ts';
import type { ReadOptions } from '../dataset-reader.ts';
import type { RowBlock } from '../row-block.ts';
import type { RecordFault, RecordSpan, RecordSyntax } from './record-scanner.ts';
import { recordWindows } from './record-windows.ts';

/** Turns records into rows of values. */
export interface RecordParser {
  /** Where the columns asked for stand in the rows that `parse` makes. */
  readonly at: readonly number[];
  /** Appends one row per span to `rows`, whatever is in it, and a problem for each that is no row. */
  parse(bytes: Buffer, spans: readonly RecordSpan[], into: ParsedRows): void;
}

/** Rows gathered for a block. */
export interface ParsedRows {
  readonly rows: (readonly unknown[])[];
  readonly problems: Map<number, RowProblem>;
}

const NO_ROW: readonly unknown[] = [];

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
  let block: ParsedRows = { rows: [], problems: new Map() };
  const finish = (): RowBlock => {
    const { rows, problems } = block;
    const done = { firstRow, rows: rows.length, cells: { by: 'row' as const, rows, at: parser.at }, problems };
    firstRow += rows.length;
    block = { rows: [], problems: new Map() };
    return done;
  };
  for await (const { bytes, spans } of recordWindows(source, { from: range.offset, to: end }, syntax)) {
    const rows = spans.filter((span) => !span.blank);
    for (let start = 0; start < rows.length;) {
      const some = rows.slice(start, start + blockRows - block.rows.length);
      parseGood(bytes, some, { parser, syntax, into: block });
      start += some.length;
      if (block.rows.length === blockRows) yield finish();
    }
  }
  if (block.rows.length > 0) yield finish();
}

function parseGood(
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
    into.rows.push(NO_ROW);
    start = index + 1;
  }
  if (start < spans.length) parser.parse(bytes, start === 0 ? spans : spans.slice(start), into);
}

function faultMessage(fault: RecordFault, { maxRecordBytes }: RecordSyntax): string {
  return fault === 'too_long'
    ? `the row is longer than the ${maxRecordBytes} bytes that a row may have`
    : 'a quoted field is opened that nothing closes';
}
