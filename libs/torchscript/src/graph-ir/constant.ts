import { BOOL, COMPLEX, DEVICE, FLOAT, INT, NONE, STR, TENSOR, printType, type IrType } from './ir-type.ts';

/** The value of a `prim::Constant`. An integer is a bigint, a float a number. */
export type Constant =
  | null
  | boolean
  | bigint
  | number
  | string
  | { readonly kind: 'complex'; readonly re: number; readonly im: number }
  | { readonly kind: 'device'; readonly device: string }
  | { readonly kind: 'list'; readonly items: readonly Constant[]; readonly of: IrType }
  | { readonly kind: 'tuple'; readonly items: readonly Constant[] }
  /** `text` is the printed tensor. `identity` distinguishes tensors. */
  | { readonly kind: 'tensor'; readonly identity: number; readonly text: string }
  /** An object of the archive. `text` describes it. */
  | { readonly kind: 'object'; readonly text: string; readonly type: IrType }
  | { readonly kind: 'function'; readonly name: string; readonly qualifiedName: string };

/** The default type of a constant. Its place in the code may require another type. */
export function typeOfConstant(value: Constant): IrType {
  if (value === null) return NONE;
  switch (typeof value) {
    case 'boolean':
      return BOOL;
    case 'bigint':
      return INT;
    case 'number':
      return FLOAT;
    case 'string':
      return STR;
    default:
  }
  switch (value.kind) {
    case 'complex':
      return COMPLEX;
    case 'device':
      return DEVICE;
    case 'list':
      return { kind: 'list', of: value.of };
    case 'tuple':
      return { kind: 'tuple', items: value.items.map(typeOfConstant) };
    case 'tensor':
      return TENSOR;
    case 'object':
      return value.type;
    case 'function':
      return { kind: 'simple', name: 'Function' };
  }
}

/** The text in the brackets of a `prim::Constant`: `value=1`. Empty for None. */
export function printConstant(value: Constant): string {
  if (value === null) return '';
  if (typeof value === 'boolean') return `value=${value ? 1 : 0}`;
  if (typeof value === 'object' && value.kind === 'function') return `name=${quote(value.name)}`;
  return `value=${printValue(value)}`;
}

/** The text of a constant. It also identifies constants: equal texts of equal types are the same constant. */
function printValue(value: Constant): string {
  if (value === null) return 'None';
  switch (typeof value) {
    case 'boolean':
      return value ? 'True' : 'False';
    case 'bigint':
      return value.toString();
    case 'number':
      return printFloat(value);
    case 'string':
      return quote(value);
    default:
  }
  switch (value.kind) {
    case 'complex':
      return `${printFloat(value.re)}${value.im < 0 ? '' : '+'}${printFloat(value.im)}j`;
    case 'device':
      return quote(value.device);
    case 'list':
      return printList(value);
    case 'tuple':
      return `(${value.items.map(printValue).join(', ')}${value.items.length === 1 ? ',' : ''})`;
    case 'tensor':
    case 'object':
      return value.text;
    case 'function':
      return value.name;
  }
}

/** The text of a list. An empty list includes its type. */
function printList({ items, of }: Extract<Constant, { readonly kind: 'list' }>): string {
  if (items.length > 0) return `[${items.map(printValue).join(', ')}]`;
  return `annotate(List[${printType(of)}], [])`;
}

/** A float with 17 significant digits as in C (`%.17g`), and always with a point: `1.`, `9.9999999999999995e-07`. */
export function printFloat(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf';
  const text = printGeneral(value, 17);
  return /[.e]/.test(text) ? text : `${text}.`;
}

/** C's `%.<digits>g`. */
export function printGeneral(value: number, digits: number): string {
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const scientific = value.toExponential(digits - 1);
  const exponent = Number(scientific.slice(scientific.indexOf('e') + 1));
  if (exponent >= -4 && exponent < digits) return dropZeros(value.toFixed(digits - 1 - exponent));
  const sign = exponent < 0 ? '-' : '+';
  const mantissa = dropZeros(scientific.slice(0, scientific.indexOf('e')));
  return `${mantissa}e${sign}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

function dropZeros(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '"': '\\"',
  "'": "\\'",
  '\n': '\\n',
  '\t': '\\t',
  '\r': '\\r',
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\v': '\\v',
};

/** A string with C's escapes. */
export function quote(text: string): string {
  return `"${[...text].map((char) => ESCAPES[char] ?? escapeControl(char)).join('')}"`;
}

function escapeControl(char: string): string {
  const code = char.charCodeAt(0);
  return code < 0x20 || code === 0x7f ? `\\${code.toString(8).padStart(3, '0')}` : char;
}
