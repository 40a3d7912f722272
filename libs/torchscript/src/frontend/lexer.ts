import type { SourceText } from '../archive/torchscript-archive.ts';
import { modelError } from '../torchscript-error.ts';
import { describePosition } from './position.ts';

export interface Token {
  readonly kind: 'name' | 'number' | 'string' | 'symbol' | 'newline' | 'indent' | 'dedent' | 'end';
  readonly text: string;
  readonly offset: number;
}
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const NUMBER = /(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+)j?/y;
const SYMBOLS = ['->', '(', ')', '[', ']', '{', '}', ',', ':', '.', '=', '-', '+', '*'];

export function tokenize(source: SourceText): Token[] {
  const { text } = source;
  const tokens: Token[] = [];
  const indents = [0];
  let at = 0;
  let depth = 0;
  let lineStart = true;
  const fail = (what: string): never => {
    throw modelError('parse', `${what} at ${describePosition({ source, offset: at })}`);
  };
  while (at < text.length) {
    if (lineStart && depth === 0) {
      let end = at;
      while (text[end] === ' ') end++;
      if (text[end] === '\n') { at = end + 1; continue; }
      if (end >= text.length) { at = end; break; }
      const width = end - at;
      at = end;
      if (width > (indents.at(-1) ?? 0)) { indents.push(width); tokens.push({ kind: 'indent', text: '', offset: at }); }
      while (width < (indents.at(-1) ?? 0)) { indents.pop(); tokens.push({ kind: 'dedent', text: '', offset: at }); }
      if (width !== indents.at(-1)) fail('indentation does not match');
      lineStart = false;
    }
    const c = text[at] ?? '';
    if (c === ' ' || c === '\t' || c === '\r') { at++; continue; }
    if (c === '\n') { at++; if (depth === 0) { tokens.push({ kind: 'newline', text: '', offset: at - 1 }); lineStart = true; } continue; }
    if (c === '#') { while (at < text.length && text[at] !== '\n') at++; continue; }
    NAME.lastIndex = at;
    const name = NAME.exec(text)?.[0];
    if (name !== undefined) { tokens.push({ kind: 'name', text: name, offset: at }); at += name.length; continue; }
    NUMBER.lastIndex = at;
    const number = NUMBER.exec(text)?.[0];
    if (number !== undefined && c !== '.') { tokens.push({ kind: 'number', text: number, offset: at }); at += number.length; continue; }
    if (c === '"' || c === "'") {
      const start = at;
      let value = '';
      at++;
      for (;;) {
        const d = text[at];
        if (d === undefined || d === '\n') return fail('a string does not end');
        if (d === c) { at++; break; }
        if (d !== '\\') { value += d; at++; continue; }
        const e = text[at + 1] ?? '';
        const simple: Record<string, string> = { n: '\n', t: '\t', r: '\r', a: '\x07', b: '\b', f: '\f', v: '\v', '\\': '\\', '"': '"', "'": "'" };
        if (simple[e] !== undefined) { value += simple[e]; at += 2; continue; }
        const oct = /^[0-7]{1,3}/.exec(text.slice(at + 1, at + 4))?.[0];
        if (oct !== undefined) { value += String.fromCharCode(parseInt(oct, 8)); at += 1 + oct.length; continue; }
        const hex = /^x([0-9a-fA-F]{2})/.exec(text.slice(at + 1, at + 4));
        if (hex) { value += String.fromCharCode(parseInt(hex[1] ?? '0', 16)); at += 4; continue; }
        return fail('unknown escape in a string');
      }
      tokens.push({ kind: 'string', text: value, offset: start });
      continue;
    }
    const symbol = SYMBOLS.find((s) => text.startsWith(s, at));
    if (symbol === undefined) return fail(`character ${JSON.stringify(c)} does not belong here`);
    if ('([{'.includes(symbol)) depth++;
    if (')]}'.includes(symbol)) depth--;
    tokens.push({ kind: 'symbol', text: symbol, offset: at });
    at += symbol.length;
  }
  tokens.push({ kind: 'newline', text: '', offset: at });
  while (indents.length > 1) { indents.pop(); tokens.push({ kind: 'dedent', text: '', offset: at }); }
  tokens.push({ kind: 'end', text: '', offset: at });
  return tokens;
}
