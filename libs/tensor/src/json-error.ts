/**
 * Position (in UTF-16 units) of the first character that cannot continue a JSON text, or the text's length if the text
 * ends too early. For text that JSON.parse has refused, because its messages do not always have a position. Takes linear
 * time and does not recurse, so no input overflows the stack.
 */
export function findJsonError(text: string): number {
  const closers: string[] = [];
  let expected: 'value' | 'element or end' | 'key' | 'key or end' | 'separator' = 'value';
  let at = skipSpace(text, 0);
  while (at < text.length) {
    const char = text[at];
    const closer = closers.at(-1);
    if (expected === 'separator') {
      if (closer === undefined) return at;
      if (char === ',') expected = closer === '}' ? 'key' : 'value';
      else if (char === closer) closers.pop();
      else return at;
      at++;
    } else if (char === closer && expected.endsWith('or end')) {
      closers.pop();
      expected = 'separator';
      at++;
    } else if (expected === 'key' || expected === 'key or end') {
      const end = char === '"' ? scanString(text, at) : { at, complete: false };
      if (!end.complete) return end.at;
      at = skipSpace(text, end.at);
      if (text[at] !== ':') return at;
      at++;
      expected = 'value';
    } else if (char === '[' || char === '{') {
      closers.push(char === '[' ? ']' : '}');
      expected = char === '[' ? 'element or end' : 'key or end';
      at++;
    } else {
      const end = char === '"' ? scanString(text, at) : scanScalar(text, at);
      if (!end.complete) return end.at;
      at = end.at;
      expected = 'separator';
    }
    at = skipSpace(text, at);
  }
  return text.length;
}

/** The end of a token, or the position of the first wrong character in it. */
interface Scan {
  readonly at: number;
  readonly complete: boolean;
}

function scanString(text: string, start: number): Scan {
  let at = start + 1;
  while (at < text.length) {
    const char = text[at] ?? '';
    if (char === '"') return { at: at + 1, complete: true };
    if (char < ' ') return { at, complete: false };
    if (char !== '\\') {
      at++;
    } else if (text[at + 1] === 'u') {
      if (!/^[0-9a-fA-F]{4}$/.test(text.slice(at + 2, at + 6))) return { at, complete: false };
      at += 6;
    } else {
      if (!'"\\/bfnrt'.includes(text[at + 1] ?? '?')) return { at, complete: false };
      at += 2;
    }
  }
  return { at: text.length, complete: false };
}

function scanScalar(text: string, start: number): Scan {
  for (const word of ['true', 'false', 'null']) {
    if (text.startsWith(word, start)) return { at: start + word.length, complete: true };
  }
  const integer = text[start] === '-' ? start + 1 : start;
  let at = skipDigits(text, integer);
  if (at === integer) return { at: start, complete: false };
  if (text[integer] === '0' && at > integer + 1) return { at: integer + 1, complete: false };
  if (text[at] === '.') {
    const fraction = at + 1;
    at = skipDigits(text, fraction);
    if (at === fraction) return { at, complete: false };
  }
  if (text[at] === 'e' || text[at] === 'E') {
    const exponent = at + (text[at + 1] === '+' || text[at + 1] === '-' ? 2 : 1);
    at = skipDigits(text, exponent);
    if (at === exponent) return { at, complete: false };
  }
  return { at, complete: true };
}

function skipDigits(text: string, start: number): number {
  let at = start;
  while (at < text.length && text.charCodeAt(at) >= 48 && text.charCodeAt(at) <= 57) at++;
  return at;
}

function skipSpace(text: string, start: number): number {
  let at = start;
  while (at < text.length && ' \t\n\r'.includes(text[at] ?? '?')) at++;
  return at;
}
