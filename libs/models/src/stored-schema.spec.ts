import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { stored } from './stored-schema.ts';

const strict = z.strictObject({
  schema: z.literal(1),
  files: z.array(z.strictObject({ name: z.string() })),
  inner: z.strictObject({ deep: z.strictObject({ n: z.number().default(7) }) }).optional(),
});
const schema = stored(strict);

describe('a stored file', () => {
  it('may have fields of a newer release, anywhere', () => {
    const value = {
      schema: 1,
      later: [1],
      files: [{ name: 'a', digest: 'x' }, { name: 'b' }],
      inner: { deep: { more: { and: 'more' } }, side: null },
    };
    const copy = structuredClone(value);
    expect(schema.parse(value)).toEqual({
      schema: 1,
      files: [{ name: 'a' }, { name: 'b' }],
      inner: { deep: { n: 7 } },
    });
    expect(value).toEqual(copy);
  });

  it.each([
    ['another layout', { schema: 2, files: [] }, 'schema'],
    ['a field that is missing beside one too many', { schema: 1, other: 1 }, 'files'],
    ['a field of another type', { schema: 1, files: [{ name: 1, x: 1 }] }, 'files.0.name'],
    ['no object', null, ''],
  ])('%s is refused with its place', (_name, value, path) => {
    const { error } = schema.safeParse(value);
    expect(error?.issues.map((issue) => issue.path.join('.'))).toEqual([path]);
  });
});
