/** The steps to a nested value: names of fields, and indexes of lists. */
export type FieldPath = readonly (string | number)[];

const PATH = /^[^.[\]]+(?:\.[^.[\]]+|\[\d{1,9}\])+$/;
const STEP = /[^.[\]]+/g;

/** The path that a name such as `user.address[0].zip` means; undefined if it is a plain name. */
export function fieldPath(name: string): FieldPath | undefined {
  if (!PATH.test(name)) return undefined;
  return Array.from(name.matchAll(STEP), ({ 0: step, index }) => (name[index - 1] === '[' ? Number(step) : step));
}

/** The value at the path; undefined if a step is missing. */
export function valueAt(value: unknown, path: FieldPath): unknown {
  let found = value;
  for (const step of path) {
    if (typeof found !== 'object' || found === null) return undefined;
    if (Array.isArray(found) !== (typeof step === 'number') || !Object.hasOwn(found, step)) return undefined;
    found = (found as Readonly<Record<string | number, unknown>>)[step];
  }
  return found;
}
