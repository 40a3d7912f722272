/** The tokens of a formula: numbers, names of triggers, `+ - * /` and parentheses, as in KEDA's `scalingModifiers.formula`. */
const TOKEN = /\s*(?:(\d+(?:\.\d+)?)|([A-Za-z_]\w*)|([-+*/()]))/y;

export type Values = Readonly<Record<string, number>>;

/** A parsed formula. */
export interface Formula {
  /** Names of the triggers in the formula. */
  readonly names: readonly string[];
  /** @throws Error if a trigger in the formula has no value. */
  compute(values: Values): number;
}

type Term = (values: Values) => number;

/** Parses a formula. KEDA's language also has comparisons and functions; our formulas do not use them, so they are refused. */
export function parseFormula(text: string): Formula {
  const tokens = tokensOf(text);
  const names = new Set<string>();
  let next = 0;
  const take = (...wanted: readonly string[]): string | undefined => {
    const token = tokens[next];
    if (token === undefined || !wanted.includes(token)) return undefined;
    next += 1;
    return token;
  };
  const factor = (): Term => {
    const token = tokens[next];
    if (token === undefined) throw new Error(`${text}: ends too early`);
    next += 1;
    if (token === '-') {
      const of = factor();
      return (values) => -of(values);
    }
    if (token === '(') {
      const inner = sum();
      if (take(')') === undefined) throw new Error(`${text}: expected ")"`);
      return inner;
    }
    if (/^\d/.test(token)) return () => Number(token);
    if (!/^\w/.test(token)) throw new Error(`${text}: unexpected "${token}"`);
    names.add(token);
    return (values) => {
      const value = values[token];
      if (value === undefined) throw new Error(`${text}: ${token} has no value`);
      return value;
    };
  };
  const product = (): Term => {
    let left = factor();
    for (let sign = take('*', '/'); sign !== undefined; sign = take('*', '/')) {
      const [a, b] = [left, factor()];
      left = sign === '*' ? (values) => a(values) * b(values) : (values) => a(values) / b(values);
    }
    return left;
  };
  const sum = (): Term => {
    let left = product();
    for (let sign = take('+', '-'); sign !== undefined; sign = take('+', '-')) {
      const [a, b] = [left, product()];
      left = sign === '+' ? (values) => a(values) + b(values) : (values) => a(values) - b(values);
    }
    return left;
  };
  const whole = sum();
  if (next < tokens.length) throw new Error(`${text}: unexpected "${tokens[next]}"`);
  return { names: [...names], compute: whole };
}

function tokensOf(text: string): readonly string[] {
  const tokens: string[] = [];
  const end = text.trimEnd().length;
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < end) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) throw new Error(`${text}: cannot be parsed at "${text.slice(at, at + 20)}"`);
    tokens.push(match[1] ?? match[2] ?? match[3] ?? '');
  }
  return tokens;
}
