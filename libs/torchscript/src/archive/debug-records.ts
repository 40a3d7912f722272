import type { PickleTuple, PickleValue } from '../pickle/pickle-value.ts';

/** From `offset` (UTF-8 bytes of the serialised code) on, code came from `[start, …)` (likewise) of `text`. */
export interface DebugRecord {
  readonly offset: number;
  /** The author's function, or for traced code a stack of frames; empty where nothing is known. */
  readonly text: string;
  readonly file: string | undefined;
  /** Line of `file` at which `text` starts. */
  readonly startLine: number;
  readonly start: number;
}

/**
 * The records of a `.debug_pkl`, by offset. Since PyTorch 1.11 these are `('FORMAT_WITH_STRING_TABLE', strings, records)`
 * and texts are lists of numbers of strings; before, `records` alone, with texts in full. What is not as it should be
 * is left out.
 */
export function readDebugRecords(value: PickleValue): readonly DebugRecord[] {
  const items = tupleItems(value);
  const withTable = items[0] === 'FORMAT_WITH_STRING_TABLE';
  const strings = withTable ? tupleItems(items[1]) : undefined;
  const records = (withTable ? tupleItems(items[2]) : items).map((item) => readRecord(item, strings));
  return records.filter((record) => record !== undefined).sort((a, b) => a.offset - b.offset);
}

/** `(offset, (source, start, end)[, tag])`, where `source` is `(text, file, line)`. */
function readRecord(item: PickleValue, strings: readonly PickleValue[] | undefined): DebugRecord | undefined {
  const [offset, range] = tupleItems(item);
  const [source, start] = tupleItems(range);
  const [text, file, startLine] = tupleItems(source);
  const whole = strings === undefined ? text : joinLines(text, strings);
  if (typeof offset !== 'bigint' || typeof start !== 'bigint' || typeof whole !== 'string') return undefined;
  const name = strings === undefined ? file : typeof file === 'bigint' ? strings[Number(file)] : undefined;
  return {
    offset: Number(offset),
    text: whole,
    file: typeof name === 'string' && name !== '' ? name : undefined,
    startLine: typeof startLine === 'bigint' ? Number(startLine) : 0,
    start: Math.max(0, Number(start)),
  };
}

function joinLines(lines: PickleValue | undefined, strings: readonly PickleValue[]): string | undefined {
  if (typeof lines !== 'object' || lines === null || lines.kind !== 'list') return undefined;
  const texts = lines.items.map((index) => (typeof index === 'bigint' ? strings[Number(index)] : undefined));
  return texts.every((text) => typeof text === 'string') ? texts.join('') : undefined;
}

function tupleItems(value: PickleValue | undefined): PickleTuple['items'] {
  return typeof value === 'object' && value !== null && value.kind === 'tuple' ? value.items : [];
}
