/** Redis's memory. `maxBytes` is 0 when Redis has no limit. */
export interface MemoryInfo {
  readonly usedBytes: number;
  readonly maxBytes: number;
}

/** Reads the reply of `INFO memory`. */
export function memoryOf(info: string): MemoryInfo {
  const field = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
  return { usedBytes: field('used_memory'), maxBytes: field('maxmemory') };
}
