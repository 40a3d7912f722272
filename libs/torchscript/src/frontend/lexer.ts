import type { SourceText } from '../archive/torchscript-archive.ts';
import { parseError } from './parse-error.ts';
import { readString } from './string-literal.ts';

/** The kind of a token. `newline` ends a statement; `indent` and `dedent` are around a block. */
export type TokenKind = 'name' | 'number' | 'string' | 'symbol' | 'newline' | 'indent' | 'dedent' | 'end';

const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const NUMBER = /(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?j?/y;

const NEWLINE = 0x0a;
const SPACE = 0x20;
/** Starts a comment. */
const HASH = 0x23;

/**
 * Reads serialised code token by token. `kind`, `text` and `start` describe the current token. {@link advance} moves to the next.
 * Line ends inside brackets are ignored, as in Python.
 */
export class Lexer {
  kind: TokenKind = 'newline';
  /** The token as written, or the value of a string. */
  text = '';
  /** Offset of its first character. */
  start = 0;

  readonly #source: SourceText;
  readonly #code: string;
  /** Offset after the current token. */
  #end = 0;
  /** Widths of the blocks around the current line, outermost first. */
  readonly #indents: number[] = [0];
  /** Number of blocks that the current line ends and for which no `dedent` was returned yet. */
  #dedents = 0;
  /** Number of open brackets. */
  #brackets = 0;

  /** Starts before the first token. {@link advance} moves to it. */
  constructor(source: SourceText) {
    this.#source = source;
    this.#code = source.text;
  }

  /** Moves to the next token. At the end it stays at `end`. @throws SconceError `model_invalid` if there is no valid token. */
  advance(): void {
    if (this.#dedents > 0) {
      this.#dedents--;
      this.#set('dedent', this.#end, this.#end);
    } else if (this.kind === 'newline') {
      this.#startLine();
    } else {
      this.#readToken();
    }
  }

  #set(kind: TokenKind, start: number, end: number, text = ''): void {
    this.kind = kind;
    this.text = text;
    this.start = start;
    this.#end = end;
  }

  /** Skips empty lines, and compares the indentation of the next line with the open blocks. */
  #startLine(): void {
    const code = this.#code;
    let at = this.#end;
    let width = 0;
    for (;;) {
      const char = code.charCodeAt(at);
      if (char === SPACE) width++;
      else if (char === NEWLINE) width = 0;
      else if (char === HASH) at = this.#lineEnd(at) - 1;
      else if (char !== 0x0d) break;
      at++;
    }
    this.#end = at;
    if (at >= code.length) width = 0;
    const current = this.#indents.at(-1) ?? 0;
    if (width > current) {
      this.#indents.push(width);
      this.#set('indent', at, at);
    } else if (width < current) {
      while ((this.#indents.at(-1) ?? 0) > width) {
        this.#indents.pop();
        this.#dedents++;
      }
      if (this.#indents.at(-1) !== width) this.#fail(at, 'the indentation matches no block');
      this.#dedents--;
      this.#set('dedent', at, at);
    } else {
      this.#readToken();
    }
  }

  #readToken(): void {
    const code = this.#code;
    let at = this.#end;
    let char = code.charCodeAt(at);
    while (
      char === SPACE ||
      char === 0x09 ||
      char === 0x0d ||
      (this.#brackets > 0 && (char === NEWLINE || char === HASH))
    ) {
      at = char === HASH ? this.#lineEnd(at) : at + 1;
      char = code.charCodeAt(at);
    }
    if (at >= code.length) {
      // The last line may have no line end.
      this.#set(this.kind === 'newline' || this.kind === 'dedent' || this.kind === 'end' ? 'end' : 'newline', at, at);
    } else if ((char >= 0x61 && char <= 0x7a) || (char >= 0x41 && char <= 0x5a) || char === 0x5f) {
      this.#match('name', NAME, at);
    } else if ((char >= 0x30 && char <= 0x39) || (char === 0x2e && isDigit(code.charCodeAt(at + 1)))) {
      this.#match('number', NUMBER, at);
    } else if (char === 0x22 || char === 0x27) {
      const { value, end } = readString(this.#source, at);
      this.#set('string', at, end, value);
    } else if (char === NEWLINE || char === HASH) {
      this.#set('newline', at, Math.min(this.#lineEnd(at) + 1, code.length));
    } else {
      this.#readSymbol(at, char);
    }
  }

  #readSymbol(at: number, char: number): void {
    const text = char === 0x2d && this.#code.charCodeAt(at + 1) === 0x3e ? '->' : String.fromCharCode(char);
    if (text === '(' || text === '[' || text === '{') this.#brackets++;
    else if (text === ')' || text === ']' || text === '}') this.#brackets = Math.max(0, this.#brackets - 1);
    else if (text !== '->' && !',:.=-+'.includes(text)) this.#fail(at, `${JSON.stringify(text)} is not allowed here`);
    this.#set('symbol', at, at + text.length, text);
  }

  #match(kind: TokenKind, pattern: RegExp, at: number): void {
    pattern.lastIndex = at;
    const text = pattern.exec(this.#code)?.[0] ?? this.#fail(at, `a ${kind} cannot be read`);
    this.#set(kind, at, at + text.length, text);
  }

  #lineEnd(at: number): number {
    const end = this.#code.indexOf('\n', at);
    return end < 0 ? this.#code.length : end;
  }

  #fail(offset: number, what: string): never {
    throw parseError({ source: this.#source, offset }, what);
  }
}

function isDigit(char: number): boolean {
  return char >= 0x30 && char <= 0x39;
}
