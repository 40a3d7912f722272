import type { Expr, Position, TypeExpr } from './ast.ts';
import { isInteger, readInteger } from './number-literal.ts';
import { TokenParser } from './token-parser.ts';

type LiteralValue = Extract<Expr, { readonly kind: 'literal' }>['value'];
type TypedForm = Extract<Expr, { readonly kind: 'typed' }>['form'];

/** Forms that look like calls and have types as arguments. */
const TYPED_FORMS: ReadonlySet<string> = new Set<TypedForm>([
  'annotate',
  'unchecked_cast',
  'uninitialized',
  'isinstance',
]);

/** Names of literals. */
const NAMED_LITERALS: ReadonlyMap<string, LiteralValue> = new Map<string, LiteralValue>([
  ['None', null],
  ['True', true],
  ['False', false],
]);

/** Numbers that are written as names. With a `j` after them they are imaginary. */
const NAMED_NUMBERS: ReadonlyMap<string, number> = new Map([
  ['inf', Infinity],
  ['nan', NaN],
  ['infj', Infinity],
  ['nanj', NaN],
]);

/** Parses expressions and types. */
export class ExpressionParser extends TokenParser {
  parseExpression(): Expr {
    return this.nested(() => this.#parsePostfix());
  }

  /** Parses a type: `List[Tensor]`, `__torch__.a.B`, `Tuple[()]`. */
  parseType(): TypeExpr {
    return this.nested(() => {
      let name = this.expectName();
      while (this.accept('.')) name += `.${this.expectName()}`;
      if (!this.accept('[')) return { name, args: [] };
      if (this.accept('(')) {
        this.expect(')');
        this.expect(']');
        return { name, args: [] };
      }
      return { name, args: this.listUntil(']', () => this.parseType()) };
    });
  }

  /** Parses a chain of `.name`, `(…)`, `[i]` and `[i:j]` after an expression. */
  #parsePostfix(): Expr {
    let expression = this.#parsePrimary();
    for (;;) {
      if (this.accept('.')) {
        expression = { kind: 'attribute', object: expression, name: this.expectName(), at: expression.at };
        this.grow(1);
      } else if (this.is('(')) {
        expression = this.#parseCall(expression);
      } else if (this.is('[')) {
        expression = this.#parseIndex(expression);
      } else {
        return expression;
      }
    }
  }

  #parsePrimary(): Expr {
    const at = this.position();
    const { kind, text } = this.lexer;
    this.height = 1;
    if (kind === 'number' || this.is('-') || (kind === 'name' && NAMED_NUMBERS.has(text))) {
      return { kind: 'literal', value: this.#parseNumber(), at };
    }
    if (kind === 'name') {
      this.lexer.advance();
      const value = NAMED_LITERALS.get(text);
      if (value !== undefined) return { kind: 'literal', value, at };
      return TYPED_FORMS.has(text) && this.is('(')
        ? this.#parseTyped(text as TypedForm, at)
        : { kind: 'name', name: text, at };
    }
    if (kind === 'string') {
      this.lexer.advance();
      return { kind: 'literal', value: text, at };
    }
    if (this.accept('(')) return this.#parseParenthesised(at);
    if (this.accept('[')) return { kind: 'list', items: this.#parseItems(']'), at };
    if (this.accept('{')) return { kind: 'dict', entries: this.#parseEntries(), at };
    return this.fail('expected an expression');
  }

  /** Parses `1`, `-1.5e-08`, `-inf`, `2.j` or `1.+2.j`. The sign between the parts is the only operator of the language. */
  #parseNumber(): LiteralValue {
    const negative = this.accept('-');
    const { kind, text } = this.lexer;
    if (kind === 'number' && isInteger(text)) {
      const value = readInteger(text, negative) ?? this.fail('an integer of more than 64 bits');
      this.lexer.advance();
      return value;
    }
    const real = this.#parseUnsigned(negative);
    if (typeof real !== 'number' || !(this.is('+') || this.is('-'))) return real;
    const imaginary = this.#parseUnsigned(!this.accept('+') && this.accept('-'));
    if (typeof imaginary === 'number') this.fail('expected the imaginary part of a complex number');
    return { re: real, im: imaginary.im };
  }

  #parseUnsigned(negative: boolean): number | { readonly re: number; readonly im: number } {
    const { kind, text } = this.lexer;
    const imaginary = text.endsWith('j');
    let value = kind === 'name' ? NAMED_NUMBERS.get(text) : Number(imaginary ? text.slice(0, -1) : text);
    if (value === undefined || (kind !== 'name' && kind !== 'number')) this.fail('expected a number');
    this.lexer.advance();
    value = negative ? -value : value;
    return imaginary ? { re: 0, im: value } : value;
  }

  /** Parses `(e)`, which is `e`, or a tuple if there is a comma. */
  #parseParenthesised(at: Position): Expr {
    if (this.accept(')')) return { kind: 'tuple', items: [], at };
    const first = this.parseExpression();
    if (this.accept(')')) return first;
    const { height } = this;
    this.expect(',');
    const rest = this.#parseItems(')');
    this.height = Math.max(height, this.height - 1);
    this.grow(1);
    return { kind: 'tuple', items: [first, ...rest], at };
  }

  #parseItems(close: ')' | ']'): Expr[] {
    let height = 0;
    const items = this.listUntil(close, () => {
      const item = this.parseExpression();
      height = Math.max(height, this.height);
      return item;
    });
    this.height = height;
    this.grow(1);
    return items;
  }

  #parseEntries(): (readonly [Expr, Expr])[] {
    let height = 0;
    const entries = this.listUntil('}', () => {
      const key = this.parseExpression();
      height = Math.max(height, this.height);
      this.expect(':');
      const value = this.parseExpression();
      height = Math.max(height, this.height);
      return [key, value] as const;
    });
    this.height = height;
    this.grow(1);
    return entries;
  }

  #parseCall(callee: Expr): Expr {
    let { height } = this;
    this.expect('(');
    const args: Expr[] = [];
    const kwargs: { readonly name: string; readonly value: Expr }[] = [];
    this.listUntil(')', () => {
      let value = this.parseExpression();
      if (value.kind === 'name' && this.is('=')) {
        const { name } = value;
        this.lexer.advance();
        value = this.parseExpression();
        kwargs.push({ name, value });
      } else {
        if (kwargs.length > 0) this.fail('a positional argument follows a named one', value.at);
        args.push(value);
      }
      height = Math.max(height, this.height);
    });
    this.height = height;
    this.grow(1);
    return { kind: 'call', callee, args, kwargs, at: callee.at };
  }

  #parseIndex(object: Expr): Expr {
    const at = this.position();
    let { height } = this;
    this.expect('[');
    const part = (): Expr | undefined => {
      if (this.is(':') || this.is(']')) return undefined;
      const value = this.parseExpression();
      height = Math.max(height, this.height);
      return value;
    };
    const start = part();
    let expression: Expr;
    if (this.accept(':')) {
      const end = part();
      const step = this.accept(':') ? part() : undefined;
      expression = { kind: 'slice', object, start, end, step, at };
    } else {
      if (start === undefined) this.fail('expected an index');
      expression = { kind: 'index', object, index: start, at };
    }
    this.expect(']');
    this.height = height;
    this.grow(1);
    return expression;
  }

  /** Parses `annotate(T, e)`, `unchecked_cast(T, e)`, `uninitialized(T)`, `isinstance(e, T)` or `isinstance(e, (T, U))`. */
  #parseTyped(form: TypedForm, at: Position): Expr {
    this.expect('(');
    let types: readonly TypeExpr[];
    let value: Expr | undefined;
    if (form === 'isinstance') {
      value = this.parseExpression();
      this.expect(',');
      types = this.accept('(') ? this.listUntil(')', () => this.parseType()) : [this.parseType()];
    } else {
      types = [this.parseType()];
      if (form !== 'uninitialized') {
        this.expect(',');
        value = this.parseExpression();
      }
    }
    this.accept(',');
    this.expect(')');
    this.grow(1);
    return { kind: 'typed', form, types, value, at };
  }
}
