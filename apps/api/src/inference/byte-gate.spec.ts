import { expect, it } from 'vitest';
import { ByteGate } from './byte-gate.ts';

it('admits callers in order while their bytes fit', async () => {
  const gate = new ByteGate(100);
  const order: string[] = [];
  const enter = async (name: string, bytes: number): Promise<() => void> => {
    const leave = await gate.enter(bytes);
    order.push(name);
    return leave;
  };
  const first = await enter('first', 60);
  const [second, third] = [enter('second', 1_000), enter('third', 10)];
  await Promise.resolve();
  expect(order).toEqual(['first']);
  first();
  first();
  // More than the capacity counts as the capacity, so the second one is alone.
  const leave = await second;
  expect(order).toEqual(['first', 'second']);
  leave();
  (await third)();
  expect(order).toEqual(['first', 'second', 'third']);
  (await enter('fourth', 100))();
});

it('refuses a caller that waited too long, and admits the next ones', async () => {
  const gate = new ByteGate(100);
  const leave = await gate.enter(50);
  const [large, small] = [gate.enter(80, 10), gate.enter(20)];
  await expect(large).rejects.toMatchObject({ code: 'queue_full', details: { retryAfterSeconds: 5 } });
  (await small)();
  leave();
});
