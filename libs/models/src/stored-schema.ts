import * as z from 'zod';

/**
 * `schema` for reading stored files: unknown fields are ignored, because a newer release may have written them during an upgrade.
 * The meaning of known fields must not change. For such a change there is the number in the field `schema`.
 */
export function stored<T>(schema: z.ZodType<T>): z.ZodType<T> {
  return z.unknown().transform((value, context) => {
    const known: unknown = structuredClone(value);
    for (;;) {
      const parsed = schema.safeParse(known);
      if (parsed.success) return parsed.data;
      const unknown = parsed.error.issues.filter((issue) => issue.code === 'unrecognized_keys');
      if (unknown.length === 0) {
        for (const issue of parsed.error.issues) context.addIssue({ ...issue });
        return z.NEVER;
      }
      for (const { path, keys } of unknown) for (const key of keys) removeAt(known, path, key);
    }
  });
}

function removeAt(value: unknown, path: readonly PropertyKey[], key: string): void {
  let holder = value as Record<PropertyKey, unknown>;
  for (const step of path) holder = holder[step] as Record<PropertyKey, unknown>;
  Reflect.deleteProperty(holder, key);
}
