/** Whether a column's name matches. */
export type ColumnMatcher = (name: string) => boolean;

/** A text to find, and for each of its prefixes the length of the longest proper prefix that the prefix ends with. */
interface Piece {
  readonly text: string;
  readonly borders: Int32Array;
}

/**
 * A matcher for a pattern in which each `*` stands for any characters, also none. Its time is linear in the length of the name, whatever
 * the pattern is: each piece between two `*` is found by Knuth, Morris and Pratt's method, once, at its first place. A regular expression
 * would try every way to divide the name among the `*`.
 */
export function columnPattern(pattern: string): ColumnMatcher {
  const pieces = pattern.split('*');
  const [begin = ''] = pieces;
  const end = pieces.at(-1) ?? '';
  if (pieces.length === 1) return (name) => name === pattern;
  const between = pieces.slice(1, -1).map((text): Piece => ({ text, borders: bordersOf(text) }));
  return (name) => {
    if (name.length < begin.length + end.length || !name.startsWith(begin) || !name.endsWith(end)) return false;
    let at = begin.length;
    const last = name.length - end.length;
    for (const piece of between) {
      at = endOfFirst(piece, name, { from: at, to: last });
      if (at < 0) return false;
    }
    return true;
  };
}

function bordersOf(text: string): Int32Array {
  const borders = new Int32Array(text.length);
  let matched = 0;
  for (let at = 1; at < text.length; at++) {
    while (matched > 0 && text[at] !== text[matched]) matched = borders[matched - 1] ?? 0;
    if (text[at] === text[matched]) matched += 1;
    borders[at] = matched;
  }
  return borders;
}

/** The end of the first occurrence of the piece in a part of the name; -1 if there is none. */
function endOfFirst({ text, borders }: Piece, name: string, { from, to }: { from: number; to: number }): number {
  if (text === '') return from;
  let matched = 0;
  for (let at = from; at < to; at++) {
    while (matched > 0 && name[at] !== text[matched]) matched = borders[matched - 1] ?? 0;
    if (name[at] === text[matched]) matched += 1;
    if (matched === text.length) return at + 1;
  }
  return -1;
}
