/** Bounds of a JSON text. */
export interface JsonBounds {
  readonly maxValues: number;
  readonly maxDepth: number;
  /** Arrays and objects: each takes more memory than a number. Default: no bound. */
  readonly maxContainers?: number;
}

/** The size of a JSON text: its values (objects, arrays, strings apart from keys, numbers and words), and the depth of their nesting. */
export interface JsonSize {
  readonly values: number;
  readonly depth: number;
  /** Arrays and objects, which count as values too. */
  readonly containers: number;
}

const KINDS = { word: 0, space: 1, quote: 2, open: 3, close: 4, colon: 5 } as const;
const KIND_OF_BYTE = new Uint8Array(256);
for (const byte of ' \t\n\r,') KIND_OF_BYTE[byte.charCodeAt(0)] = KINDS.space;
for (const byte of '[{') KIND_OF_BYTE[byte.charCodeAt(0)] = KINDS.open;
for (const byte of ']}') KIND_OF_BYTE[byte.charCodeAt(0)] = KINDS.close;
KIND_OF_BYTE[0x22] = KINDS.quote;
KIND_OF_BYTE[0x3a] = KINDS.colon;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Counts the values of a JSON text without making them: 1 to 2 ms for 1 MiB (measured). Stops as soon as a bound is exceeded, so a count
 * above the bound is a lower limit. Text that is no JSON has a size too; JSON.parse refuses it.
 */
export function measureJson(
  bytes: Uint8Array,
  { maxValues, maxDepth, maxContainers = Infinity }: JsonBounds,
): JsonSize {
  let values = 0;
  let containers = 0;
  let depth = 0;
  let deepest = 0;
  let isInWord = false;
  for (
    let at = 0;
    at < bytes.length && values <= maxValues && deepest <= maxDepth && containers <= maxContainers;
    at++
  ) {
    const kind = KIND_OF_BYTE[bytes[at] ?? 0];
    if (kind === KINDS.word) {
      if (!isInWord) values += 1;
      isInWord = true;
      continue;
    }
    isInWord = false;
    if (kind === KINDS.open) {
      values += 1;
      containers += 1;
      depth += 1;
      if (depth > deepest) deepest = depth;
    } else if (kind === KINDS.close) {
      depth -= 1;
    } else if (kind === KINDS.colon) {
      // The string before it is a key.
      values -= 1;
    } else if (kind === KINDS.quote) {
      values += 1;
      for (at++; at < bytes.length && bytes[at] !== QUOTE; at++) if (bytes[at] === BACKSLASH) at++;
    }
  }
  return { values, depth: deepest, containers };
}
