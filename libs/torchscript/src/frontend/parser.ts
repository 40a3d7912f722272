import type { SourceText } from '../archive/torchscript-archive.ts';
import type { AttributeDef, ClassDef, Expr, FunctionDef, ParamDef, Position, SourceFile, Stmt } from './ast.ts';
import { ExpressionParser } from './expression-parser.ts';

const BASES = ['Module', 'ModuleInterface', 'Interface', 'NamedTuple', 'Enum'] as const;

/**
 * Parses a file of serialised code.
 *
 * @throws SconceError `model_invalid` (stage `parse`) with path, line, column and the text of the line, if the code does not follow
 * the grammar, is nested too deep, or is too long.
 */
export function parseSource(source: SourceText): SourceFile {
  return new Parser(source).parseFile();
}

/** Parses files, classes, functions and statements. */
class Parser extends ExpressionParser {
  parseFile(): SourceFile {
    const classes: ClassDef[] = [];
    const functions: FunctionDef[] = [];
    while (this.lexer.kind !== 'end') {
      if (this.is('class')) classes.push(this.#parseClass());
      else if (this.is('def')) functions.push(this.#parseFunction());
      else this.fail('expected “class” or “def”');
    }
    return { source: this.source, classes, functions };
  }

  #parseClass(): ClassDef {
    const at = this.position();
    this.expect('class');
    const name = this.expectName();
    const base = this.accept('(') ? this.#parseBase() : undefined;
    const members = {
      parameters: [] as string[],
      buffers: [] as string[],
      attributes: [] as AttributeDef[],
      methods: [] as FunctionDef[],
    };
    this.#parseBlock(() => {
      if (this.is('def')) members.methods.push(this.#parseFunction());
      else if (this.accept('pass')) this.expectLineEnd();
      else this.#parseAttribute(members);
    });
    return { name, base, ...members, at };
  }

  #parseBase(): ClassDef['base'] {
    const written = this.lexer.text;
    const base = BASES.find((known) => known === written);
    if (base === undefined) this.fail(`expected one of ${BASES.join(', ')} as base class`);
    this.expectName();
    this.expect(')');
    return base;
  }

  /** Parses `n : T`, `n : Final[T] = const`, `n = const` in an enum, and the lists such as `__parameters__`. */
  #parseAttribute(members: { parameters: string[]; buffers: string[]; attributes: AttributeDef[] }): void {
    const name = this.expectName();
    if (this.accept(':')) {
      const type = this.parseType();
      members.attributes.push({ name, type, value: this.accept('=') ? this.parseExpression() : undefined });
    } else if (name === '__annotations__' && this.accept('[')) {
      const attribute = this.expectString();
      this.expect(']');
      this.expect('=');
      const type = this.parseType();
      // If the name of a constant is not an identifier, its value follows its type.
      members.attributes.push({ name: attribute, type, value: this.accept('=') ? this.parseExpression() : undefined });
    } else {
      this.expect('=');
      const value = this.parseExpression();
      if (name === '__parameters__') members.parameters.push(...stringsOf(value));
      else if (name === '__buffers__') members.buffers.push(...stringsOf(value));
      else if (!/^__\w+__$/.test(name)) members.attributes.push({ name, type: undefined, value });
    }
    this.expectLineEnd();
  }

  #parseFunction(): FunctionDef {
    this.expect('def');
    const at = this.position();
    const name = this.expectName();
    this.expect('(');
    const params: ParamDef[] = [];
    while (!this.accept(')')) {
      const param = this.expectName();
      const type = this.accept(':') ? this.parseType() : undefined;
      params.push({ name: param, type, default: this.accept('=') ? this.parseExpression() : undefined });
      if (!this.is(')')) this.expect(',');
    }
    const returns = this.accept('->') ? this.parseType() : undefined;
    const body = this.#parseBody();
    return { name, params, returns, body: body.every(({ kind }) => kind === 'pass') ? [] : body, at };
  }

  #parseBody(): Stmt[] {
    const statements: Stmt[] = [];
    this.nested(() => {
      this.#parseBlock(() => statements.push(this.#parseStatement()));
    });
    return statements;
  }

  /** Parses `:` and the indented lines below it. */
  #parseBlock(parseItem: () => void): void {
    this.expect(':');
    this.expectLineEnd();
    if (this.lexer.kind !== 'indent') this.fail('expected an indented block');
    this.lexer.advance();
    while (this.kindNow() !== 'dedent') parseItem();
    this.lexer.advance();
  }

  #parseStatement(): Stmt {
    const at = this.position();
    switch (this.lexer.kind === 'name' ? this.lexer.text : '') {
      case 'def':
        return { kind: 'def', function: this.#parseFunction(), at };
      case 'pass':
        this.lexer.advance();
        this.expectLineEnd();
        return { kind: 'pass', at };
      case 'return':
        return this.#parseReturn(at);
      case 'if':
        return this.#parseIf(at);
      case 'for':
        return this.#parseFor(at);
      case 'while': {
        this.lexer.advance();
        const test = this.parseExpression();
        return { kind: 'while', test, body: this.#parseBody(), at };
      }
      case 'with':
        return this.#parseWith(at);
      default:
        return this.#parseAssignment(at);
    }
  }

  #parseReturn(at: Position): Stmt {
    this.lexer.advance();
    if (this.lexer.kind === 'newline') {
      this.expectLineEnd();
      return { kind: 'return', value: undefined, at };
    }
    const valueAt = this.position();
    const { items, trailing } = this.#parseExpressions();
    this.expectLineEnd();
    return { kind: 'return', value: asOne(items, trailing, valueAt), at };
  }

  #parseIf(at: Position): Stmt {
    this.lexer.advance();
    const test = this.parseExpression();
    const then = this.#parseBody();
    return { kind: 'if', test, then, else: this.accept('else') ? this.#parseBody() : [], at };
  }

  /** Parses `for i in range(n):` and its body. */
  #parseFor(at: Position): Stmt {
    this.lexer.advance();
    const variable = this.expectName();
    this.expect('in');
    this.expect('range');
    this.expect('(');
    const count = this.parseExpression();
    this.accept(',');
    this.expect(')');
    return { kind: 'for', variable, count, body: this.#parseBody(), at };
  }

  #parseWith(at: Position): Stmt {
    this.lexer.advance();
    const context = this.parseExpression();
    const variable = this.accept('as') ? this.expectName() : undefined;
    return { kind: 'with', context, variable, body: this.#parseBody(), at };
  }

  /** Parses an expression alone, or targets with values. */
  #parseAssignment(at: Position): Stmt {
    const { items: targets, trailing } = this.#parseExpressions();
    const type = this.accept(':') ? this.parseType() : undefined;
    if (!this.is('=')) {
      this.expectLineEnd();
      return { kind: 'expr', value: asOne(targets, trailing, at), at };
    }
    for (const target of targets) {
      if (!['name', 'attribute', 'index'].includes(target.kind))
        this.fail('cannot assign to this expression', target.at);
    }
    this.lexer.advance();
    const valueAt = this.position();
    const right = this.#parseExpressions();
    this.expectLineEnd();
    const values = right.trailing ? [asOne(right.items, true, valueAt)] : right.items;
    if (values.length > 1 && values.length !== targets.length) {
      this.fail(`${targets.length} targets cannot take ${values.length} values`, at);
    }
    return {
      kind: 'assign',
      targets,
      unpack: trailing || (targets.length > 1 && values.length === 1),
      type,
      values,
      at,
    };
  }

  /** Parses `a, b` or `a, b,`. */
  #parseExpressions(): { readonly items: Expr[]; readonly trailing: boolean } {
    const items = [this.parseExpression()];
    while (this.accept(',')) {
      if (this.lexer.kind === 'newline' || this.is('=')) return { items, trailing: true };
      items.push(this.parseExpression());
    }
    return { items, trailing: false };
  }
}

/** One expression of several: a tuple. One expression with a comma after it is also a tuple. */
function asOne(items: readonly Expr[], trailing: boolean, at: Position): Expr {
  const [first] = items;
  return items.length === 1 && !trailing && first !== undefined ? first : { kind: 'tuple', items, at };
}

function stringsOf(list: Expr): string[] {
  if (list.kind !== 'list') return [];
  return list.items.flatMap((item) => (item.kind === 'literal' && typeof item.value === 'string' ? [item.value] : []));
}
