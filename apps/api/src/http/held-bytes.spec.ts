import { expect, it } from 'vitest';
import { HeldBytes } from './held-bytes.ts';

it('counts what requests hold until they end', () => {
  const held = new HeldBytes(100);
  const [first, second] = [held.begin(undefined), held.begin(undefined)];
  first.set(60);
  second.add(30);
  second.add(10);
  expect(held.bytes).toBe(100);
  first.set(20);
  expect([held.bytes, first.bytes]).toEqual([60, 20]);
  first.end();
  first.end();
  first.set(50);
  expect(held.bytes).toBe(40);
  second.end();
  expect(held.bytes).toBe(0);
});

it('refuses what has no room, and names the budget, the limit, the value and the setting', () => {
  const held = new HeldBytes(100);
  held.begin(undefined).set(70);
  const late = held.begin(undefined);
  late.set(30);
  expect(() => late.set(31)).toThrow(
    expect.objectContaining({
      code: 'queue_full',
      message: expect.stringMatching(
        /held_bytes.*holds 100 bytes.*needs 1 more.*allowed are 100.*SCONCE_MAX_HELD_BYTES/,
      ),
      details: {
        budget: 'held_bytes',
        limit: 100,
        value: 101,
        setting: 'SCONCE_MAX_HELD_BYTES',
        retryAfterSeconds: 1,
      },
    }),
  );
  expect([held.bytes, late.bytes]).toEqual([100, 30]);
});

it('refuses a request that never fits without a time to wait', () => {
  const held = new HeldBytes(100);
  const alone = held.begin('a');
  expect(() => alone.set(101)).toThrow(
    expect.objectContaining({
      code: 'over_budget',
      details: { budget: 'held_bytes', limit: 100, value: 101, setting: 'SCONCE_MAX_HELD_BYTES' },
    }),
  );
  alone.set(100);
});

it('has a little room for owners who hold little when another owner holds the rest', () => {
  const held = new HeldBytes(1_000);
  const greedy = held.begin('greedy');
  greedy.set(1_000);
  expect(() => held.begin('greedy').set(1)).toThrow(/held_bytes/);
  expect(() => held.begin(undefined).set(1)).toThrow(/held_bytes/);
  const small = held.begin('small');
  small.set(100);
  expect(() => small.add(1)).toThrow(/held_bytes/);
  small.end();
  greedy.end();
  held.begin('greedy').set(1_000);
});
