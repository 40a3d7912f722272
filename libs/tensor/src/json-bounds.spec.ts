import fc from 'fast-check';
import { expect, it } from 'vitest';
import { measureJson, type JsonSize } from './json-bounds.ts';

const UNBOUNDED = { maxValues: Infinity, maxDepth: Infinity };

function sizeOf(value: unknown): JsonSize {
  if (typeof value !== 'object' || value === null) return { values: 1, depth: 0, containers: 0 };
  const inner = Object.values(value).map(sizeOf);
  return {
    values: inner.reduce((sum, { values }) => sum + values, 1),
    containers: inner.reduce((sum, { containers }) => sum + containers, 1),
    depth: 1 + Math.max(0, ...inner.map(({ depth }) => depth)),
  };
}

it('counts the values and the depth of any JSON', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(0, 2), (value, indent) => {
      expect(measureJson(Buffer.from(JSON.stringify(value, null, indent)), UNBOUNDED)).toEqual(sizeOf(value));
    }),
  );
});

it('stops at a bound', () => {
  const many = Buffer.from(`[${'1,'.repeat(1_000)}1]`);
  expect(measureJson(many, { maxValues: 10, maxDepth: 5 }).values).toBe(11);
  expect(measureJson(Buffer.from('['.repeat(1_000)), { maxValues: 2_000, maxDepth: 5 }).depth).toBe(6);
  expect(measureJson(many, { ...UNBOUNDED, maxContainers: 0 })).toEqual({ values: 1, depth: 1, containers: 1 });
});

it('text that is no JSON has a size too', () => {
  for (const text of ['', '"', '"\\', ']]]', '{"a":[1,', '}{', 'tru,e']) {
    expect(measureJson(Buffer.from(text), UNBOUNDED).values).toBeLessThanOrEqual(text.length);
  }
});
