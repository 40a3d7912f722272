/** Longest code of deflate's Huffman codes. */
const MAX_CODE_BITS = 15;

/** A prefix code as a table over the next `bits` bits of input: `symbol << 4 | length of its code`; 0 where no code fits. */
export interface HuffmanTable {
  readonly bits: number;
  readonly entries: Uint16Array;
}

/**
 * The table of the canonical code with these code lengths per symbol (0: not used); undefined where there is no such code.
 * As in zlib, a code may leave bit patterns unused only if it has no more than one symbol.
 */
export function huffmanTable(lengths: Uint8Array): HuffmanTable | undefined {
  const counts = new Uint16Array(MAX_CODE_BITS + 1);
  for (const length of lengths) counts[length] = (counts[length] as number) + 1;
  counts[0] = 0;
  let bits = MAX_CODE_BITS;
  while (bits > 1 && counts[bits] === 0) bits--;

  const nextCode = new Uint16Array(MAX_CODE_BITS + 2);
  let code = 0;
  for (let length = 1; length <= bits; length++) {
    nextCode[length] = code;
    code += counts[length] as number;
    if (code > 1 << length) return undefined;
    code <<= 1;
  }
  const full = code === 2 << bits;
  const single = bits === 1 && (counts[1] as number) <= 1;
  if (!full && !single) return undefined;

  const entries = new Uint16Array(1 << bits);
  for (let symbol = 0; symbol < lengths.length; symbol++) {
    const length = lengths[symbol] as number;
    if (length === 0) continue;
    const own = nextCode[length] as number;
    nextCode[length] = own + 1;
    // Codes come most significant bit first, the rest of the stream least significant first.
    for (let i = reverse(own, length); i < entries.length; i += 1 << length) entries[i] = (symbol << 4) | length;
  }
  return { bits, entries };
}

function reverse(code: number, length: number): number {
  let result = 0;
  for (let i = 0; i < length; i++) result |= ((code >>> i) & 1) << (length - 1 - i);
  return result;
}
