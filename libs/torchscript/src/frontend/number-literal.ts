const MAX_MAGNITUDE = 2n ** 63n;
/** The largest number of digits of a 64-bit integer. Longer numbers are not converted, because that could take long. */
const MAX_DIGITS = 19;

/** Whether the text of a number is an integer. */
export function isInteger(text: string): boolean {
  return /^[0-9]+$/.test(text);
}

/** The integer with these digits; undefined if it has more than 64 bits. */
export function readInteger(digits: string, negative: boolean): bigint | undefined {
  const significant = digits.replace(/^0+(?=\d)/, '');
  if (significant.length > MAX_DIGITS) return undefined;
  const value = negative ? -BigInt(significant) : BigInt(significant);
  return value >= -MAX_MAGNITUDE && value < MAX_MAGNITUDE ? value : undefined;
}
