import type { SourceText } from '../archive/torchscript-archive.ts';
import { modelError } from '../torchscript-error.ts';
import type { AttributeDef, ClassDef, Expr, FunctionDef, ParamDef, Position, SourceFile, Stmt, TypeExpr } from './ast.ts';
import { tokenize, type Token } from './lexer.ts';
import { describePosition } from './position.ts';

export function parseSource(source: SourceText): SourceFile {
  return new Parser(source).file();
}
const MAX_DEPTH = 200;

class Parser {
  readonly #source: SourceText;
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;
  constructor(source: SourceText) { this.#source = source; this.#tokens = tokenize(source); }
  file(): SourceFile {
    const classes: ClassDef[] = []; const functions: FunctionDef[] = [];
    while (!this.#isKind('end')) {
      if (this.#isKind('newline')) { this.#at++; continue; }
      if (this.#is('class')) classes.push(this.#class());
      else if (this.#is('def')) functions.push(this.#def());
      else this.#fail('expected class or def');
    }
    return { source: this.#source, classes, functions };
  }
  get #token(): Token { const t = this.#tokens[this.#at]; if (!t) throw modelError('parse', 'unexpected end'); return t; }
  #isKind(kind: Token['kind']): boolean { return this.#token.kind === kind; }
  #is(text: string): boolean { const t = this.#token; return (t.kind === 'name' || t.kind === 'symbol') && t.text === text; }
  #accept(text: string): boolean { if (this.#is(text)) { this.#at++; return true; } return false; }
  #expect(text: string): void { if (!this.#accept(text)) this.#fail(`expected ${text}`); }
  #name(): string { const t = this.#token; if (t.kind !== 'name') return this.#fail('expected a name'); this.#at++; return t.text; }
  #pos(): Position { return { source: this.#source, offset: this.#token.offset }; }
  #fail(what: string): never { throw modelError('parse', `${what} at ${describePosition(this.#pos())}`); }
  #newline(): void { if (!this.#isKind('newline')) this.#fail('expected the end of the line'); this.#at++; }
  #class(): ClassDef {
    const at = this.#pos(); this.#expect('class'); const name = this.#name(); let base: ClassDef['base'];
    if (this.#accept('(')) { const b = this.#name(); if (!['Module', 'ModuleInterface', 'Interface', 'NamedTuple', 'Enum'].includes(b)) this.#fail('unknown base class'); base = b as ClassDef['base']; this.#expect(')'); }
    this.#expect(':');
    const parameters: string[] = [], buffers: string[] = [], attributes: AttributeDef[] = [], methods: FunctionDef[] = [];
    this.#block(() => {
      if (this.#is('def')) { methods.push(this.#def()); return; }
      if (this.#accept('pass')) { this.#newline(); return; }
      const n = this.#name();
      if (n === '__annotations__' && this.#is('[')) { this.#expect('['); const key = this.#token.text; this.#at++; this.#expect(']'); this.#expect('='); const type = this.#type(); attributes.push(this.#attr(key, type)); return; }
      if (this.#accept(':')) { attributes.push(this.#attr(n, this.#type())); return; }
      this.#expect('=');
      const value = this.#expr(); this.#newline();
      if (n.startsWith('__') && value.kind === 'list') {
        const names = value.items.flatMap((i) => (i.kind === 'literal' && typeof i.value === 'string' ? [i.value] : []));
        if (n === '__parameters__') parameters.push(...names); else if (n === '__buffers__') buffers.push(...names);
        return;
      }
      attributes.push({ name: n, type: undefined, value });
    });
    return { name, base, parameters, buffers, attributes, methods, at };
  }
  #attr(name: string, type: TypeExpr): AttributeDef {
    const value = this.#accept('=') ? this.#expr() : undefined; this.#newline(); return { name, type, value };
  }
  #block(item: () => void): void {
    this.#newline(); if (!this.#isKind('indent')) this.#fail('expected an indented block'); this.#at++;
    while (!this.#isKind('dedent')) { if (this.#isKind('newline')) { this.#at++; continue; } if (this.#isKind('end')) break; item(); }
    if (this.#isKind('dedent')) this.#at++;
  }
  #def(): FunctionDef {
    const at = this.#pos(); this.#expect('def'); const name = this.#name(); this.#expect('(');
    const params: ParamDef[] = [];
    while (!this.#accept(')')) { const n = this.#name(); const type = this.#accept(':') ? this.#type() : undefined; const d = this.#accept('=') ? this.#expr() : undefined; params.push({ name: n, type, default: d }); if (!this.#is(')')) this.#expect(','); }
    const returns = this.#accept('->') ? this.#type() : undefined; this.#expect(':');
    return { name, params, returns, body: this.#statements(), at };
  }
  #statements(): Stmt[] { if (++this.#depth > MAX_DEPTH) this.#fail('blocks nested too deep'); const out: Stmt[] = []; this.#block(() => out.push(this.#stmt())); this.#depth--; return out; }
  #stmt(): Stmt {
    const at = this.#pos();
    if (this.#is('def')) return { kind: 'def', function: this.#def(), at };
    if (this.#accept('pass')) { this.#newline(); return { kind: 'pass', at }; }
    if (this.#accept('return')) { const value = this.#isKind('newline') ? undefined : this.#exprs(); this.#newline(); return { kind: 'return', value, at }; }
    if (this.#accept('if')) { const test = this.#expr(); this.#expect(':'); const then = this.#statements(); let els: Stmt[] = []; if (this.#accept('else')) { this.#expect(':'); els = this.#statements(); } return { kind: 'if', test, then, else: els, at }; }
    if (this.#accept('for')) { const variable = this.#name(); this.#expect('in'); this.#expect('range'); this.#expect('('); const count = this.#expr(); this.#accept(','); this.#expect(')'); this.#expect(':'); return { kind: 'for', variable, count, body: this.#statements(), at }; }
    if (this.#accept('while')) { const test = this.#expr(); this.#expect(':'); return { kind: 'while', test, body: this.#statements(), at }; }
    if (this.#accept('with')) { const context = this.#expr(); const variable = this.#accept('as') ? this.#name() : undefined; this.#expect(':'); return { kind: 'with', context, variable, body: this.#statements(), at }; }
    const targets: Expr[] = [this.#expr()]; let trailing = false;
    while (this.#accept(',')) { if (this.#is('=')) { trailing = true; break; } targets.push(this.#expr()); }
    let type: TypeExpr | undefined;
    if (this.#accept(':')) type = this.#type();
    if (this.#accept('=')) {
      const values: Expr[] = [this.#expr()]; let vt = false;
      while (this.#accept(',')) { if (this.#isKind('newline')) { vt = true; break; } values.push(this.#expr()); }
      this.#newline();
      if (vt) return { kind: 'assign', targets, unpack: false, type, values: [{ kind: 'tuple', items: values, at }], at };
      return { kind: 'assign', targets, unpack: trailing || (targets.length > 1 && values.length === 1), type, values, at };
    }
    this.#newline(); const [value] = targets; if (targets.length !== 1 || !value) return this.#fail('not a statement');
    return { kind: 'expr', value, at };
  }
  #exprs(): Expr { const at = this.#pos(); const first = this.#expr(); if (!this.#is(',')) return first; const items = [first]; while (this.#accept(',')) { if (this.#isKind('newline')) break; items.push(this.#expr()); } return { kind: 'tuple', items, at }; }
  #expr(): Expr {
    if (++this.#depth > MAX_DEPTH) this.#fail('expressions nested too deep');
    try {
      let e = this.#primary();
      for (;;) {
        const at = this.#pos();
        if (this.#accept('.')) { e = { kind: 'attribute', object: e, name: this.#name(), at }; continue; }
        if (this.#is('(')) { e = this.#call(e); continue; }
        if (this.#accept('[')) {
          if (this.#accept(':')) { const end = this.#is(']') || this.#is(':') ? undefined : this.#expr(); const step = this.#accept(':') && !this.#is(']') ? this.#expr() : undefined; this.#expect(']'); e = { kind: 'slice', object: e, start: undefined, end, step, at }; continue; }
          const i = this.#expr();
          if (this.#accept(':')) { const end = this.#is(']') || this.#is(':') ? undefined : this.#expr(); const step = this.#accept(':') && !this.#is(']') ? this.#expr() : undefined; this.#expect(']'); e = { kind: 'slice', object: e, start: i, end, step, at }; continue; }
          this.#expect(']'); e = { kind: 'index', object: e, index: i, at }; continue;
        }
        return e;
      }
    } finally { this.#depth--; }
  }
  #call(callee: Expr): Expr {
    const at = callee.at;
    if (callee.kind === 'name' && (callee.name === 'annotate' || callee.name === 'unchecked_cast')) { this.#expect('('); const t = this.#type(); this.#expect(','); const value = this.#expr(); this.#accept(','); this.#expect(')'); return { kind: 'typed', form: callee.name, types: [t], value, at }; }
    if (callee.kind === 'name' && callee.name === 'uninitialized') { this.#expect('('); const t = this.#type(); this.#accept(','); this.#expect(')'); return { kind: 'typed', form: 'uninitialized', types: [t], value: undefined, at }; }
    if (callee.kind === 'name' && callee.name === 'isinstance') { this.#expect('('); const value = this.#expr(); this.#expect(','); const types: TypeExpr[] = []; if (this.#accept('(')) { while (!this.#accept(')')) { types.push(this.#type()); if (!this.#is(')')) this.#expect(','); } } else types.push(this.#type()); this.#accept(','); this.#expect(')'); return { kind: 'typed', form: 'isinstance', types, value, at }; }
    this.#expect('('); const args: Expr[] = []; const kwargs: { name: string; value: Expr }[] = [];
    while (!this.#accept(')')) {
      const next = this.#tokens[this.#at + 1];
      if (this.#isKind('name') && next?.kind === 'symbol' && next.text === '=') { const name = this.#name(); this.#expect('='); kwargs.push({ name, value: this.#expr() }); }
      else args.push(this.#expr());
      if (!this.#is(')')) this.#expect(',');
    }
    return { kind: 'call', callee, args, kwargs, at };
  }
  #primary(): Expr {
    const at = this.#pos(); const t = this.#token;
    if (t.kind === 'string') { this.#at++; return { kind: 'literal', value: t.text, at }; }
    if (t.kind === 'number' || this.#is('-')) return this.#number(at);
    if (this.#accept('(')) { if (this.#accept(')')) return { kind: 'tuple', items: [], at }; const first = this.#expr(); if (this.#accept(')')) return first; const items = [first]; while (this.#accept(',')) { if (this.#is(')')) break; items.push(this.#expr()); } this.#expect(')'); return { kind: 'tuple', items, at }; }
    if (this.#accept('[')) { const items: Expr[] = []; while (!this.#accept(']')) { items.push(this.#expr()); if (!this.#is(']')) this.#expect(','); } return { kind: 'list', items, at }; }
    if (this.#accept('{')) { const entries: [Expr, Expr][] = []; while (!this.#accept('}')) { const k = this.#expr(); this.#expect(':'); entries.push([k, this.#expr()]); if (!this.#is('}')) this.#expect(','); } return { kind: 'dict', entries, at }; }
    if (t.kind !== 'name') return this.#fail('expected an expression');
    this.#at++;
    if (t.text === 'True') return { kind: 'literal', value: true, at };
    if (t.text === 'False') return { kind: 'literal', value: false, at };
    if (t.text === 'None') return { kind: 'literal', value: null, at };
    if (t.text === 'inf') return { kind: 'literal', value: Infinity, at };
    if (t.text === 'nan') return { kind: 'literal', value: NaN, at };
    return { kind: 'name', name: t.text, at };
  }
  #number(at: Position): Expr {
    const sign = this.#accept('-') ? -1 : 1; const t = this.#token;
    if (t.kind === 'name' && (t.text === 'inf' || t.text === 'nan')) { this.#at++; return { kind: 'literal', value: sign * (t.text === 'inf' ? Infinity : NaN), at }; }
    if (t.kind !== 'number') return this.#fail('expected a number');
    this.#at++;
    if (t.text.endsWith('j')) return { kind: 'literal', value: { re: 0, im: sign * Number(t.text.slice(0, -1)) }, at };
    if (this.#is('+') || this.#is('-')) { const s = this.#is('+') ? 1 : -1; const n = this.#tokens[this.#at + 1]; if (n?.kind === 'number' && n.text.endsWith('j')) { this.#at += 2; return { kind: 'literal', value: { re: sign * Number(t.text), im: s * Number(n.text.slice(0, -1)) }, at }; } }
    if (/^\d+$/.test(t.text)) return { kind: 'literal', value: BigInt(sign) * BigInt(t.text), at };
    return { kind: 'literal', value: sign * Number(t.text), at };
  }
  #type(): TypeExpr {
    if (++this.#depth > MAX_DEPTH) this.#fail('types nested too deep');
    let name = this.#name(); while (this.#accept('.')) name += `.${this.#name()}`;
    const args: TypeExpr[] = [];
    if (this.#accept('[')) { if (this.#accept('(')) { this.#expect(')'); } while (!this.#accept(']')) { args.push(this.#type()); if (!this.#is(']')) this.#expect(','); } }
    this.#depth--;
    return { name, args };
  }
}
