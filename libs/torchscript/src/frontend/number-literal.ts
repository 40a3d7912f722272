const MAX_MAGNITUDE = 2n ** 63n;
/** Digits that 64 bits can have. More are not even converted: a million of them would take long. */
const MAX_DIGITS = 19;

/** Whether a number as written is an integer. */
export function isInteger(text: string): boolean {
  return /^[0-9]+$/.test(text);
}

/** The integer a text stands for; undefined where it has more than 64 bits. */
export function readInteger(digits: string, negative: boolean): bigint | undefined {
  const significant = digits.replace(/^0+(?=\d)/, '');
  if (significant.length > MAX_DIGITS) return undefined;
  const value = negative ? -BigInt(significant) : BigInt(significant);
  return value >= -MAX_MAGNITUDE && value < MAX_MAGNITUDE ? value : undefined;
}
