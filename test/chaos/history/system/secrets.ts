/** The secret of an owner's key. */
export function secretOf(owner: string): string {
  return `secret-of-${owner}`;
}
