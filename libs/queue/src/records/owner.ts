/**
 * Whether a caller may use a record. Callers of one owner use their own records, and records without an owner: those that a release before
 * owners wrote, or an API whose callers need no key.
 *
 * @param ofOwner the owner whose records the caller may use; undefined for all records.
 */
export function mayUse(ofOwner: string | undefined, owner: string | undefined): boolean {
  return ofOwner === undefined || owner === undefined || owner === ofOwner;
}
