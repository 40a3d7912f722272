import { parseSchema, type SchemaType } from '../schema/parse-schema.ts';
import type { Constant } from './constant.ts';
import { ANY, BOOL, INT, STR, type IrType } from './ir-type.ts';
import { OPERATOR_SCHEMAS } from './operator-schemas.generated.ts';

/** The signature of an operator's overload, a function or a method. */
export interface Signature {
  readonly args: readonly SignatureArgument[];
  readonly returns: readonly IrType[];
  readonly variadic: boolean;
  /** Whether it changes one of its arguments. */
  readonly mutates: boolean;
}

/** A parameter of a {@link Signature}. */
export interface SignatureArgument {
  readonly name: string;
  readonly type: IrType;
  /** For a list parameter that accepts a single number: the length of the list. */
  readonly size?: number;
  /** Undefined if the argument is required. */
  readonly default: Constant | undefined;
  readonly kwargOnly: boolean;
}

let lines: ReadonlyMap<string, readonly string[]> | undefined;
const parsed = new Map<string, readonly Signature[]>();

/**
 * The overloads of an operator (`aten::add`), in the order in which PyTorch tries them. Empty if the operator is unknown. PyTorch 1
 * first tried overloads with sizes and factors as lists (`aten::upsample_nearest2d.vec`).
 */
export function overloadsOf(name: string, release: 1 | 2 = 2): readonly Signature[] {
  const key = `${name} ${release}`;
  let overloads = parsed.get(key);
  if (overloads === undefined) {
    lines ??= Map.groupBy(OPERATOR_SCHEMAS.split('\n'), (line) => /^\w+::\w+/.exec(line)?.[0] ?? '');
    // Dtypes are numbers in the code, so this overload is ambiguous. PyTorch does not try it either.
    const tried = lines.get(name)?.filter((line) => !line.startsWith('aten::view.dtype(')) ?? [];
    const isList = (line: string): boolean => line.startsWith(`${name}.vec(`);
    const ordered = release === 1 ? [...tried.filter(isList), ...tried.filter((line) => !isList(line))] : tried;
    overloads = ordered.map(readSignature);
    parsed.set(key, overloads);
  }
  return overloads;
}

function readSignature(line: string): Signature {
  const schema = parseSchema(line);
  return {
    args: schema.args.map((arg) => {
      const type = readType(arg.type);
      const size = sizeOf(arg.type);
      return {
        name: arg.name,
        type,
        size,
        default: arg.default === undefined ? undefined : readDefault(arg.default, type, size),
        kwargOnly: arg.kwargOnly,
      };
    }),
    returns: schema.returns.map(readType),
    variadic: schema.variadic,
    mutates: schema.args.some(({ mutated }) => mutated),
  };
}

/** Schema types that have another, plain type in the graph. */
const PLAIN_TYPES: Readonly<Record<string, IrType>> = {
  ScalarType: INT,
  MemoryFormat: INT,
  Layout: INT,
  SymInt: INT,
  SymBool: BOOL,
  Dimname: STR,
};

function readType(type: SchemaType): IrType {
  switch (type.kind) {
    case 'name':
      return readName(type.name);
    case 'optional':
      return { kind: 'optional', of: readType(type.of) };
    case 'list':
      return { kind: 'list', of: readType(type.of) };
    case 'tuple':
      return { kind: 'tuple', items: type.items.map(readType) };
    case 'generic': {
      const [first = ANY, second = ANY] = type.args.map(readType);
      if (type.name === 'Dict') return { kind: 'dict', key: first, value: second };
      if (type.name === 'Future') return { kind: 'future', of: first };
      return ANY;
    }
  }
}

function readName(name: string): IrType {
  const plain = PLAIN_TYPES[name];
  if (plain !== undefined) return plain;
  if (name.startsWith('__torch__.')) return { kind: 'class', name, form: 'class' };
  const variable = /^[a-z]/.test(name) && !['int', 'float', 'bool', 'str', 'complex'].includes(name);
  return { kind: variable ? 'variable' : 'simple', name };
}

function sizeOf(type: SchemaType): number | undefined {
  if (type.kind === 'optional') return sizeOf(type.of);
  return type.kind === 'list' ? type.size : undefined;
}

/** Reads a default of a schema: `None`, `-1`, `1.`, `[0, 1]`, `"mean"`. */
function readDefault(text: string, type: IrType, size?: number): Constant {
  if (text === 'None') return null;
  if (size !== undefined && !text.startsWith('[')) {
    const item = readDefault(text, type);
    return { kind: 'list', items: Array.from({ length: size }, () => item), of: INT };
  }
  if (text === 'True' || text === 'False') return text === 'True';
  if (text.startsWith('[')) {
    const inner = type.kind === 'optional' ? type.of : type;
    const of = inner.kind === 'list' ? inner.of : ANY;
    const items = text
      .slice(1, -1)
      .split(',')
      .filter((item) => item.trim() !== '');
    return { kind: 'list', items: items.map((item) => readDefault(item.trim(), of)), of };
  }
  if (/^["']/.test(text)) return readEscapes(text.slice(1, -1));
  return /^-?\d+$/.test(text) ? BigInt(text) : Number(text);
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', f: '\f', v: '\v', r: '\r' };

function readEscapes(text: string): string {
  return text.replace(/\\(.)/g, (_, char: string) => ESCAPES[char] ?? char);
}
