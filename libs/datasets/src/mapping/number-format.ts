/** How numbers in text are written. */
export interface NumberFormat {
  /** Default: a point. */
  readonly decimal?: string | undefined;
  /** Between groups of three digits; absent if there are none. A space is also one that does not break. */
  readonly thousands?: string | undefined;
}

/** The format of numbers that options name; undefined for the usual one. */
export function numberFormat({ decimal, thousands }: NumberFormat): NumberFormat | undefined {
  return (decimal === undefined || decimal === '.') && thousands === undefined ? undefined : { decimal, thousands };
}

const NO_BREAK_SPACES = /[\u00a0\u202f]/g;
const PATTERNS = new Map<string, RegExp>();

/** The number as `1234.5`; undefined if the text is not a number of the format. Digits must be in groups of three, or not grouped. */
export function plainNumber(text: string, { decimal = '.', thousands }: NumberFormat): string | undefined {
  const own = (thousands === ' ' ? text.replaceAll(NO_BREAK_SPACES, ' ') : text).trim();
  const found = patternOf(decimal, thousands).exec(own);
  if (found === null) return undefined;
  const [, sign = '', whole = '', fraction = '', exponent = ''] = found;
  const digits = thousands === undefined ? whole : whole.replaceAll(thousands, '');
  return `${sign}${digits}${fraction === '' ? '' : `.${fraction}`}${exponent}`;
}

function patternOf(decimal: string, thousands: string | undefined): RegExp {
  const key = `${decimal}${thousands ?? ''}`;
  const known = PATTERNS.get(key);
  if (known !== undefined) return known;
  const grouped = thousands === undefined ? '' : `\\d{1,3}(?:\\${thousands}\\d{3})+|`;
  const made = new RegExp(`^([+-]?)(${grouped}\\d*)(?:\\${decimal}(\\d*))?([eE][+-]?\\d+)?$`);
  PATTERNS.set(key, made);
  return made;
}
