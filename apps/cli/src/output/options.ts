import { UsageError } from './failure.ts';

/** A commander parser for a whole number within bounds. */
export function integerOption(name: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new UsageError(
        `${name} takes a whole number from ${min} to ${max}, not "${text}".`,
        'Run the command with --help to see its options.',
      );
    }
    return value;
  };
}

/** A commander parser for a number from 0 to `max`. */
export function numberOption(name: string, max = Infinity): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value) || value < 0 || value > max) {
      throw new UsageError(
        `${name} takes a number ${max === Infinity ? 'of 0 or more' : `from 0 to ${max}`}, not "${text}".`,
        'Run the command with --help to see its options.',
      );
    }
    return value;
  };
}

/** A commander parser for an option that may be repeated: collects name and value of each in a map. */
export function collect<T>(
  parse: (text: string) => readonly [string, T],
): (text: string, all: ReadonlyMap<string, T>) => Map<string, T> {
  return (text, all) => new Map([...all, parse(text)]);
}
