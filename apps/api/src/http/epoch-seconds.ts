/** Epoch seconds, as OpenAI's resources have them, of epoch milliseconds. */
export function epochSeconds(epochMs: number): number {
  return Math.floor(epochMs / 1_000);
}
