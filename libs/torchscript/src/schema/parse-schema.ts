import { SconceError } from '@sconce/errors';

/** A type in an operator's schema: `Tensor(a!)?`, `int[2]`, `Tensor?[]`, `(Tensor, int)`, `Dict(str, t)`. */
export type SchemaType =
  /** `Tensor`, `int`, `SymInt`, `float`, `bool`, `str`, `Scalar`, `ScalarType`, `Device`, `Any`, `t`, … */
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'optional'; readonly of: SchemaType }
  /** `size` is the N of `int[N]`. A single number as argument then means N equal numbers. */
  | { readonly kind: 'list'; readonly of: SchemaType; readonly size?: number }
  | { readonly kind: 'tuple'; readonly items: readonly SchemaType[] }
  | { readonly kind: 'generic'; readonly name: string; readonly args: readonly SchemaType[] };

export interface SchemaArgument {
  readonly name: string;
  readonly type: SchemaType;
  /** As written; undefined if the argument is required. */
  readonly default: string | undefined;
  readonly kwargOnly: boolean;
  /** Whether the operator writes to it (`Tensor(a!)`). */
  readonly mutated: boolean;
}

/** An operator's schema in PyTorch's notation. */
export interface OperatorSchema {
  /** `aten::add`. */
  readonly name: string;
  /** `Tensor` in `aten::add.Tensor`. Empty for the overload without a name. */
  readonly overload: string;
  readonly args: readonly SchemaArgument[];
  /** Whether any number of arguments may follow (`aten::format(str self, ...)`). */
  readonly variadic: boolean;
  /** `...` means that the schema does not give the results. */
  readonly returns: readonly SchemaType[];
  /** The schema string. */
  readonly text: string;
}

/** Reads a schema: `aten::softmax.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor`. @throws SconceError `internal` if it is not a schema. */
export function parseSchema(text: string): OperatorSchema {
  return new SchemaParser(text).schema();
}

class SchemaParser {
  readonly #text: string;
  #at = 0;
  #variadic = false;

  constructor(text: string) {
    this.#text = text;
  }

  schema(): OperatorSchema {
    const full = this.#take(/[\w:.]+/y);
    const dot = full.indexOf('.', full.indexOf('::'));
    const args = this.#arguments();
    this.#expect('->');
    const returns = this.#peek('(') ? this.#tupleOf(() => this.#return()) : [this.#return()];
    return {
      name: dot < 0 ? full : full.slice(0, dot),
      overload: dot < 0 ? '' : full.slice(dot + 1),
      args,
      variadic: this.#variadic,
      returns,
      text: this.#text,
    };
  }

  #arguments(): SchemaArgument[] {
    const args: SchemaArgument[] = [];
    let kwargOnly = false;
    this.#expect('(');
    while (!this.#peek(')')) {
      if (this.#peek('*')) {
        this.#expect('*');
        kwargOnly = true;
      } else if (this.#peek('...')) {
        this.#expect('...');
        this.#variadic = true;
      } else {
        args.push(this.#argument(kwargOnly));
      }
      if (!this.#peek(')')) this.#expect(',');
    }
    this.#expect(')');
    return args;
  }

  #argument(kwargOnly: boolean): SchemaArgument {
    const start = this.#at;
    const type = this.#type();
    const mutated = this.#text.slice(start, this.#at).includes('!');
    const name = this.#take(/\w+/y);
    const value = this.#peek('=') ? (this.#expect('='), this.#default()) : undefined;
    return { name, type, default: value, kwargOnly, mutated };
  }

  #return(): SchemaType {
    const type = this.#type();
    // A result may have a name. It is ignored.
    this.#maybe(/\w+/y);
    return type;
  }

  #type(): SchemaType {
    let type = this.#base();
    for (;;) {
      if (this.#peek('?')) {
        this.#expect('?');
        type = { kind: 'optional', of: type };
      } else if (this.#peek('[')) {
        this.#expect('[');
        const size = this.#maybe(/\d+/y);
        this.#expect(']');
        type = { kind: 'list', of: type, size: size === undefined ? undefined : Number(size) };
      } else if (this.#maybe(/\((?:\w+!?|\*|\w+(?:\|\w+)*!?)(?:\s*->\s*[\w|*]+)?\)/y) === undefined) {
        return type;
      }
    }
  }

  #base(): SchemaType {
    if (this.#peek('(')) return { kind: 'tuple', items: this.#tupleOf(() => this.#type()) };
    const name = this.#take(/[\w.]+/y);
    if (['Dict', 'Future', 'RRef', 'Await', 'Union', 'Optional', 'List', 'Tuple'].includes(name) && this.#peek('(')) {
      return { kind: 'generic', name, args: this.#tupleOf(() => this.#type()) };
    }
    return { kind: 'name', name };
  }

  #tupleOf<T>(item: () => T): T[] {
    const items: T[] = [];
    this.#expect('(');
    while (!this.#peek(')')) {
      items.push(item());
      if (!this.#peek(')')) this.#expect(',');
    }
    this.#expect(')');
    return items;
  }

  #default(): string {
    if (this.#peek('[')) return this.#take(/\[[^\]]*\]/y);
    if (this.#peek('"')) return this.#take(/"(?:[^"\\]|\\.)*"/y);
    if (this.#peek("'")) return this.#take(/'(?:[^'\\]|\\.)*'/y);
    return this.#take(/[^,)\s]+/y);
  }

  #maybe(pattern: RegExp): string | undefined {
    this.#skipSpace();
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text)?.[0];
    if (match !== undefined) this.#at += match.length;
    return match;
  }

  #take(pattern: RegExp): string {
    const found = this.#maybe(pattern);
    if (found === undefined) this.#fail();
    return found;
  }

  #peek(text: string): boolean {
    this.#skipSpace();
    return this.#text.startsWith(text, this.#at);
  }

  #expect(text: string): void {
    if (!this.#peek(text)) this.#fail();
    this.#at += text.length;
  }

  #skipSpace(): void {
    while (this.#text[this.#at] === ' ') this.#at++;
  }

  #fail(): never {
    throw new SconceError(
      'internal',
      `operator schema cannot be read at “${this.#text.slice(this.#at)}”: ${this.#text}`,
    );
  }
}
