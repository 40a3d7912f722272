import type { PickleValue } from '../pickle/pickle-value.ts';
import { unpickle } from '../pickle/unpickle.ts';
import type { ArchiveLimits } from './archive-limits.ts';
import { readDebugRecords, type DebugRecord } from './debug-records.ts';
import type { SourceOrigin, SourceText } from './torchscript-archive.ts';

/** A frame of the stack that is recorded for a traced operation: `file(line): function`. */
const FRAME = /^(.+)\((\d+)\): .*$/;

/** A file of serialised code. Its `.debug_pkl`, if there is one, is parsed at the first call of `originAt`. */
export class ArchiveSourceText implements SourceText {
  readonly path: string;
  readonly text: string;
  readonly #debug: (() => Uint8Array) | undefined;
  readonly #limits: ArchiveLimits;
  #records: readonly DebugRecord[] | undefined;

  constructor(path: string, text: string, debug: (() => Uint8Array) | undefined, limits: ArchiveLimits) {
    this.path = path;
    this.text = text;
    this.#debug = debug;
    this.#limits = limits;
  }

  originAt(offset: number): SourceOrigin | undefined {
    this.#records ??= this.#read();
    const records = this.#records;
    let low = 0;
    let high = records.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((records[middle] as DebugRecord).offset <= offset) low = middle + 1;
      else high = middle;
    }
    const record = records[low - 1];
    return record === undefined ? undefined : originOf(record);
  }

  /** Origins are only shown to people, so a damaged record is ignored. */
  #read(): readonly DebugRecord[] {
    if (this.#debug === undefined) return [];
    let value: PickleValue;
    try {
      value = unpickle(this.#debug(), {
        record: `code/${this.path}.debug_pkl`,
        maxOpcodes: this.#limits.maxPickleOpcodes,
        maxNesting: this.#limits.maxPickleNesting,
      });
    } catch {
      return [];
    }
    return readDebugRecords(value);
  }
}

function originOf(record: DebugRecord): SourceOrigin | undefined {
  const { file, startLine, start } = record;
  const text = record.text();
  if (text === '') return undefined;
  const frames = text.split('\n').filter((line) => line !== '');
  const innermost = FRAME.exec(frames[0] ?? '');
  if (innermost !== null && frames.every((frame) => FRAME.test(frame))) {
    return {
      file: file ?? (innermost[1] as string),
      line: file === undefined ? Number(innermost[2]) : startLine,
      stack: frames,
    };
  }
  if (file === undefined) return undefined;
  const before = prefix(text, start);
  const lineStart = before.lastIndexOf('\n') + 1;
  const lineEnd = text.indexOf('\n', lineStart);
  return {
    file,
    line: startLine + before.split('\n').length - 1,
    column: before.length - lineStart,
    text: text.slice(lineStart, lineEnd < 0 ? undefined : lineEnd),
    stack: [],
  };
}

/** The first `bytes` UTF-8 bytes of the text. */
function prefix(text: string, bytes: number): string {
  return new TextDecoder().decode(new TextEncoder().encode(text).subarray(0, bytes));
}
