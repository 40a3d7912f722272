import { createHash } from 'node:crypto';

/**
 * A set of strings that keeps 64 bits of a hash for each, in 16 bytes, and not the string. Two of two million strings have the same bits
 * in about one of ten million sets.
 */
export class IdSet {
  #slots = new BigUint64Array(1024);
  #size = 0;

  /** Returns false if the string was in the set already. */
  add(id: string): boolean {
    if (this.#size * 2 >= this.#slots.length) this.#grow();
    // 0 marks a free slot.
    const hash = createHash('sha1').update(id).digest().readBigUInt64LE(0) | 1n;
    if (!this.#put(hash)) return false;
    this.#size += 1;
    return true;
  }

  #put(hash: bigint): boolean {
    const mask = this.#slots.length - 1;
    for (let at = Number((hash >> 1n) & 0xffff_ffffn) & mask; ; at = (at + 1) & mask) {
      const held = this.#slots[at];
      if (held === hash) return false;
      if (held !== 0n) continue;
      this.#slots[at] = hash;
      return true;
    }
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = new BigUint64Array(before.length * 2);
    for (const hash of before) if (hash !== 0n) this.#put(hash);
  }
}
