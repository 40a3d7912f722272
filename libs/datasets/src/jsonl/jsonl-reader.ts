import type { OpenByteSource } from '@sconce/storage';
import type { DatasetReader } from '../dataset-reader.ts';
import { MAX_RECORD_BYTES } from '../limits.ts';
import type { RecordSpan, RecordSyntax } from '../text/record-scanner.ts';
import { recordWindows } from '../text/record-windows.ts';
import { planText } from '../text/text-plan.ts';
import { readText, type ParsedRows, type RecordParser } from '../text/text-rows.ts';
import { fieldPath, valueAt, type FieldPath } from './field-path.ts';
import { parseLine } from './parse-line.ts';

/** Rows at the start of the file that are read to find its columns. */
const SAMPLE_ROWS = 100;
const BOM_LENGTH = 3;

const SYNTAX: RecordSyntax = { maxRecordBytes: MAX_RECORD_BYTES };

/**
 * Opens a file with one JSON object per line. A row may lack fields; fields that are not requested are ignored. A column may be a path to a
 * nested value: `user.address[0].zip`.
 */
export async function openJsonl(source: OpenByteSource): Promise<DatasetReader> {
  const begin = source.size >= BOM_LENGTH && isBom(await source.read(0, BOM_LENGTH)) ? BOM_LENGTH : 0;
  const names = await sampleNames(source, begin);
  return {
    columns: names.map((name) => ({ name })),
    closed: false,
    start: { row: 0, offset: begin },
    plan: (from, size) => planText(source, from, { size, syntax: SYNTAX }),
    read: (read) => readText(source, read, { syntax: SYNTAX, parser: new JsonlParser(read.columns) }),
    [Symbol.asyncDispose]: () => source.close(),
  };
}

function isBom(bytes: Uint8Array): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}

async function sampleNames(source: OpenByteSource, from: number): Promise<string[]> {
  const names = new Set<string>();
  let left = SAMPLE_ROWS;
  for await (const { bytes, spans } of recordWindows(source, { from, to: source.size }, SYNTAX)) {
    for (const span of spans) {
      if (span.blank || span.fault !== undefined) continue;
      const { value } = parseLine(bytes.subarray(span.start, span.end));
      for (const name of Object.keys(value ?? {})) names.add(name);
      left -= 1;
      if (left === 0) return [...names];
    }
  }
  return [...names];
}

class JsonlParser implements RecordParser {
  readonly at: readonly number[];
  readonly #fields: readonly (readonly [name: string, path: FieldPath | undefined])[];

  constructor(names: readonly string[]) {
    this.#fields = names.map((name) => [name, fieldPath(name)]);
    this.at = names.map((_, index) => index);
  }

  parse(bytes: Buffer, spans: readonly RecordSpan[], into: ParsedRows): void {
    for (const { start, end } of spans) {
      const { value, problem } = parseLine(bytes.subarray(start, end));
      if (problem !== undefined) into.problems.set(into.rows.length, { message: problem });
      into.rows.push(value === undefined ? [] : this.#fields.map(([name, path]) => own(value, name, path)));
    }
  }
}

/** A field of that name, also one with dots in it; else the value at the path that the name means. */
function own(value: Readonly<Record<string, unknown>>, name: string, path: FieldPath | undefined): unknown {
  if (Object.hasOwn(value, name)) return value[name];
  return path === undefined ? undefined : valueAt(value, path);
}
