import type { PickleTuple, PickleValue } from '../pickle/pickle-value.ts';

/** A function's source is far shorter. Longer texts are ignored. */
const MAX_TEXT_CHARS = 2 ** 20;

/** The code from `offset` on came from the text at `start`. Both count UTF-8 bytes: of the serialised code, and of the text. */
export interface DebugRecord {
  readonly offset: number;
  readonly file: string | undefined;
  /** Line of `file` at which the text starts. */
  readonly startLine: number;
  readonly start: number;
  /** The author's function, or a stack of frames for traced code. Empty if it is not known. */
  text(): string;
}

/**
 * The records of a `.debug_pkl`, by offset. Newer files hold `('FORMAT_WITH_STRING_TABLE', strings, records)`, with each text as a
 * list of indices of strings. Older files hold only `records`, with complete texts. Malformed records are left out.
 */
export function readDebugRecords(value: PickleValue): readonly DebugRecord[] {
  const items = tupleItems(value);
  const withTable = items[0] === 'FORMAT_WITH_STRING_TABLE';
  const strings = withTable ? tupleItems(items[1]) : undefined;
  const records = (withTable ? tupleItems(items[2]) : items).map((item) => readRecord(item, strings));
  return records.filter((record) => record !== undefined).sort((a, b) => a.offset - b.offset);
}

/** Reads `(offset, (source, start, end)[, tag])` with `source` = `(text, file, line)`. */
function readRecord(item: PickleValue, strings: readonly PickleValue[] | undefined): DebugRecord | undefined {
  const [offset, range] = tupleItems(item);
  const [source, start] = tupleItems(range);
  const [text, file, startLine] = tupleItems(source);
  if (typeof offset !== 'bigint' || typeof start !== 'bigint') return undefined;
  const name = strings !== undefined && typeof file === 'bigint' ? strings[Number(file)] : file;
  return {
    offset: Number(offset),
    file: typeof name === 'string' && name !== '' ? name : undefined,
    startLine: typeof startLine === 'bigint' ? Number(startLine) : 0,
    start: Math.max(0, Number(start)),
    text: () => (typeof text === 'string' ? text : joinLines(text, strings ?? [])),
  };
}

function joinLines(lines: PickleValue | undefined, strings: readonly PickleValue[]): string {
  if (typeof lines !== 'object' || lines === null || lines.kind !== 'list') return '';
  const texts: string[] = [];
  let chars = 0;
  for (const index of lines.items) {
    const text = typeof index === 'bigint' ? strings[Number(index)] : undefined;
    if (typeof text !== 'string') return '';
    chars += text.length;
    if (chars > MAX_TEXT_CHARS) return '';
    texts.push(text);
  }
  return texts.join('');
}

function tupleItems(value: PickleValue | undefined): PickleTuple['items'] {
  return typeof value === 'object' && value !== null && value.kind === 'tuple' ? value.items : [];
}
