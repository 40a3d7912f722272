import type { SourceText } from '../archive/torchscript-archive.ts';
import type { Position } from './ast.ts';
import { Lexer, type TokenKind } from './lexer.ts';
import { parseError } from './parse-error.ts';

/** Largest nesting depth of the syntax. PyTorch writes a few dozen levels. Recursion to this depth is safe. */
const MAX_DEPTH = 256;

/** Largest number of UTF-16 characters of one file. Real files have thousands to a few million. */
const MAX_SOURCE_CHARS = 2 ** 24;

/** Checks and takes tokens, reports unexpected ones, and limits the nesting. */
export class TokenParser {
  readonly source: SourceText;
  protected readonly lexer: Lexer;
  /** Depth of the tree of the last parsed expression. A chain such as `a.b.c` has no nesting, but its tree is deep. */
  protected height = 0;
  #depth = 0;

  constructor(source: SourceText) {
    this.source = source;
    this.lexer = new Lexer(source);
    if (source.text.length > MAX_SOURCE_CHARS) {
      this.fail(`the file has ${source.text.length} characters, more than the ${MAX_SOURCE_CHARS} allowed`);
    }
    this.lexer.advance();
  }

  /** Whether the current token is this name or symbol. */
  protected is(text: string): boolean {
    const { lexer } = this;
    return lexer.text === text && (lexer.kind === 'symbol' || lexer.kind === 'name');
  }

  /** Takes this name or symbol if it is the current token. */
  protected accept(text: string): boolean {
    if (!this.is(text)) return false;
    this.lexer.advance();
    return true;
  }

  protected expect(text: string): void {
    if (!this.accept(text)) this.fail(`expected “${text}”`);
  }

  protected expectName(): string {
    return this.#take('name', 'expected a name');
  }

  protected expectString(): string {
    return this.#take('string', 'expected a string');
  }

  protected expectLineEnd(): void {
    this.#take('newline', 'expected the end of the line');
  }

  /** The current token's kind. A method call, so that the compiler does not narrow it across calls that take tokens. */
  protected kindNow(): TokenKind {
    return this.lexer.kind;
  }

  /** Parses items up to a closing bracket, with commas between them. A comma after the last item is allowed. */
  protected listUntil<T>(close: string, parseItem: () => T): T[] {
    const items: T[] = [];
    while (!this.accept(close)) {
      items.push(parseItem());
      if (!this.is(close)) this.expect(',');
    }
    return items;
  }

  /** Runs `parse` one level deeper. */
  protected nested<T>(parse: () => T): T {
    if (++this.#depth > MAX_DEPTH) this.#failDepth();
    const result = parse();
    this.#depth--;
    return result;
  }

  /** Adds `levels` to the depth of the last parsed expression. */
  protected grow(levels: number): void {
    this.height += levels;
    if (this.height > MAX_DEPTH) this.#failDepth();
  }

  protected position(): Position {
    return { source: this.source, offset: this.lexer.start };
  }

  /** Fails with a message about the current token, or about the code at `at`. */
  protected fail(what: string, at?: Position): never {
    throw parseError(at ?? this.position(), at === undefined ? `${what}, found ${this.#describeToken()}` : what);
  }

  #failDepth(): never {
    this.fail(`code nested more than ${MAX_DEPTH} levels deep`, this.position());
  }

  #take(kind: TokenKind, complaint: string): string {
    const { text } = this.lexer;
    if (this.lexer.kind !== kind) this.fail(complaint);
    this.lexer.advance();
    return text;
  }

  #describeToken(): string {
    const { kind, text } = this.lexer;
    switch (kind) {
      case 'name':
      case 'number':
      case 'symbol':
        return `“${text.length > 40 ? `${text.slice(0, 40)}…` : text}”`;
      case 'string':
        return 'a string';
      case 'newline':
        return 'the end of the line';
      case 'indent':
        return 'a deeper indentation';
      case 'dedent':
        return 'the end of the block';
      case 'end':
        return 'the end of the file';
    }
  }
}
