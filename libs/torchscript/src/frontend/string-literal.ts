import type { SourceText } from '../archive/torchscript-archive.ts';
import { parseError } from './parse-error.ts';

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  a: '\x07',
  b: '\b',
  f: '\f',
  v: '\v',
  '\\': '\\',
  '"': '"',
  "'": "'",
};

/** Characters that need no escape: all except quotes, backslash and line end. */
const PLAIN = /[^"'\\\n]*/y;
/** An escaped byte: `\033` or `\x1b`. A character above 127 is several such bytes of UTF-8. */
const BYTE = /\\(?:x([0-9a-fA-F]{2})|([0-7]{1,3}))/y;

/**
 * Reads the string that starts at an offset. PyTorch prints strings with C's escapes.
 *
 * @returns the string's value and the offset after the closing quote.
 */
export function readString(source: SourceText, start: number): { readonly value: string; readonly end: number } {
  const { text } = source;
  const quote = text[start];
  let value = '';
  let at = start + 1;
  for (;;) {
    PLAIN.lastIndex = at;
    const plain = PLAIN.exec(text)?.[0] ?? '';
    value += plain;
    at += plain.length;
    const char = text[at];
    if (char === undefined || char === '\n') throw parseError({ source, offset: start }, 'the string has no end');
    if (char === quote) return { value, end: at + 1 };
    if (char !== '\\') {
      value += char;
      at++;
      continue;
    }
    const simple = SIMPLE_ESCAPES[text[at + 1] ?? ''];
    if (simple !== undefined) {
      value += simple;
      at += 2;
      continue;
    }
    const bytes: number[] = [];
    for (BYTE.lastIndex = at; ; at = BYTE.lastIndex) {
      const match = BYTE.exec(text);
      if (match === null) break;
      bytes.push(match[1] === undefined ? parseInt(match[2] ?? '0', 8) & 0xff : parseInt(match[1], 16));
    }
    if (bytes.length === 0) throw parseError({ source, offset: at }, 'the string has an unknown escape');
    value += new TextDecoder().decode(Uint8Array.from(bytes));
  }
}
