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

/** A commander parser for a number that is not negative. */
export function numberOption(name: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value) || value < 0) {
      throw new UsageError(
        `${name} takes a number of 0 or more, not "${text}".`,
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
