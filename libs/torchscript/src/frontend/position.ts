import type { SourceOrigin, SourceText } from '../archive/torchscript-archive.ts';
import type { Position } from './ast.ts';

/** A place in the serialised code. */
export interface CodePlace {
  /** Path within the archive: `code/__torch__.py`. */
  readonly path: string;
  /** From 1. */
  readonly line: number;
  /** UTF-16 characters from the start of the line, from 0. */
  readonly column: number;
  /** The line, without its end. */
  readonly lineText: string;
}

/** The path, line and column of a piece of syntax. */
export function positionOf(at: Position): CodePlace {
  const { text, path } = at.source;
  const { lineStarts } = layoutOf(at.source);
  const line = lastAtMost(lineStarts, at.offset);
  const start = lineStarts[line] ?? 0;
  const end = text.indexOf('\n', start);
  return {
    path: `code/${path}`,
    line: line + 1,
    column: at.offset - start,
    lineText: text.slice(start, end < 0 ? undefined : end),
  };
}

/** The place in the author's files from which the code at a position came; undefined if it is not recorded. */
export function originOf(at: Position): SourceOrigin | undefined {
  const { source, offset } = at;
  // Records count bytes of UTF-8. If all characters are ASCII (almost always), that is the number of characters.
  return source.originAt(
    layoutOf(source).ascii ? offset : new TextEncoder().encode(source.text.slice(0, offset)).length,
  );
}

/** A place for messages: `code/__torch__.py:12:4`, with the author's line if it is known: `(model.py:31: y = self.fc(x))`. */
export function describePosition(at: Position): string {
  const { path, line, column } = positionOf(at);
  const where = `${path}:${line}:${column}`;
  const origin = originOf(at);
  if (origin === undefined) return where;
  if (origin.text !== undefined) return `${where} (${origin.file}:${origin.line}: ${origin.text.trim()})`;
  // A trace records the frames of the call, innermost first. Frames inside PyTorch say little about the model.
  const frame = origin.stack.find((text) => !/(^|\/)torch\//.test(text));
  return `${where} (${frame?.trim() ?? `${origin.file}:${origin.line}`})`;
}

interface Layout {
  readonly lineStarts: readonly number[];
  readonly ascii: boolean;
}

/** The start of each line, computed once per file, because many positions are described. */
const LAYOUTS = new WeakMap<SourceText, Layout>();

function layoutOf(source: SourceText): Layout {
  let layout = LAYOUTS.get(source);
  if (layout === undefined) {
    const lineStarts = [0];
    for (let end = source.text.indexOf('\n'); end >= 0; end = source.text.indexOf('\n', end + 1)) {
      lineStarts.push(end + 1);
    }
    layout = { lineStarts, ascii: !/[\u0080-\uffff]/.test(source.text) };
    LAYOUTS.set(source, layout);
  }
  return layout;
}

/** Index of the last number that is at most `limit`, in ascending numbers. */
function lastAtMost(ascending: readonly number[], limit: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ascending[middle] ?? 0) <= limit) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}
