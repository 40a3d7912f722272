import { SymInt } from '../symbolic/sym-int.ts';
import { DictValue, isEnum, isTuple, ListValue, SymBool, SymFloat, SymStr, type Value } from '../symbolic/values.ts';

/** The placeholder in a text for a value that is known only at run time. */
export const UNKNOWN_TEXT = '\uFFFC';

/** A value as TorchScript formats it: whole floats end in a point, strings have no quotes. */
export function textOf(value: Value): string {
  if (value === null) return 'None';
  switch (typeof value) {
    case 'string':
      return value;
    case 'boolean':
      return value ? 'True' : 'False';
    case 'bigint':
      return String(value);
    case 'number':
      return floatText(value);
    default:
  }
  if (value instanceof SymInt || value instanceof SymFloat || value instanceof SymBool || value instanceof SymStr) {
    return UNKNOWN_TEXT;
  }
  if (value instanceof ListValue)
    return value.grown === undefined ? `[${value.items.map(textOf).join(', ')}]` : UNKNOWN_TEXT;
  if (value instanceof DictValue) {
    return `{${value.entries.map(([key, item]) => `${textOf(key)}: ${textOf(item)}`).join(', ')}}`;
  }
  if (isTuple(value)) return `(${value.items.map(textOf).join(', ')}${value.items.length === 1 ? ',' : ''})`;
  if (isEnum(value)) return `${value.className}.${value.name}`;
  return value.kind === 'device' ? value.device : UNKNOWN_TEXT;
}

/** A float with 17 digits, which distinguish it from every other float. */
function floatText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  if (Math.abs(value) < 1e10 && Number.isInteger(value)) return `${Object.is(value, -0) ? '-0' : value}.`;
  const [mantissa = '', exponent = '0'] = value.toExponential(16).split('e');
  const power = Number(exponent);
  if (power < -4 || power >= 17) {
    return `${trimmed(mantissa)}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
  }
  return trimmed(value.toFixed(16 - power));
}

function trimmed(digits: string): string {
  return digits.includes('.') ? digits.replace(/\.?0+$/, '') : digits;
}

/** `template` with each `{}` replaced by one of the values. Values without a `{}` are ignored, as in TorchScript. */
export function formatted(template: string, values: readonly Value[]): string {
  let next = 0;
  return template.replaceAll('{}', (braces) => {
    const value = values[next++];
    return value === undefined ? braces : textOf(value);
  });
}

/** `template % values`, with `%s`, `%d`, `%i`, `%f`, `%x`, `%c`, `%%` and similar codes. */
export function percentFormatted(template: string, values: readonly Value[]): string {
  let next = 0;
  return template.replaceAll(/%(.)/gs, (directive, kind: string) => {
    if (kind === '%') return '%';
    const value = values[next++];
    if (value === undefined) return directive;
    if (typeof value === 'number' && 'fF'.includes(kind)) return value.toFixed(6);
    if (typeof value === 'number' && 'di'.includes(kind)) return String(Math.trunc(value));
    if (typeof value === 'bigint' && kind === 'x') return value.toString(16);
    return textOf(value);
  });
}
