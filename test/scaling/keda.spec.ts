import { Redis } from 'ioredis';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually, testRedis } from '@sconce/testing';
import { parseFormula } from './formula.ts';
import { replicasFor } from './hpa.ts';
import { Autoscaler, readTriggers, shippedScaledObject, type ScaleTarget } from './keda.ts';

const { url, prefix } = testRedis();
const redis = new Redis(url, { keyPrefix: `${prefix}:` });
const source = { redis, apiMetricsUrl: 'http://127.0.0.1:9' };
const scaledObject = shippedScaledObject();
const { formula, target } = scaledObject.advanced.scalingModifiers;
afterAll(() => redis.disconnect());

const STREAM = 'sconce:online:default';
const UNSENT = 'sconce:producer-backlog:default';

/** Writes this many jobs into the BullMQ list of each state, or entries into the stream or the producers' backlog of the default pool. */
async function fill(counts: Readonly<Record<string, number>>): Promise<void> {
  for (const [list, count] of Object.entries(counts)) {
    const ids = Array.from({ length: count }, (_, id) => String(id));
    if (list === STREAM) for (const id of ids) await redis.xadd(STREAM, '*', 'f', id);
    else if (list === UNSENT) await redis.zadd(UNSENT, ...ids.flatMap((id) => [Number(id), id]));
    if (list === STREAM || list === UNSENT) continue;
    const key = `bull:sconce.${list}`;
    if (/:(prioritized|delayed)$/.test(list)) await redis.zadd(key, ...ids.flatMap((id) => [Number(id), id]));
    else await redis.lpush(key, ...ids);
  }
}

beforeEach(async () => {
  const keys = scaledObject.triggers.flatMap(({ type, metadata }) =>
    type === 'redis' ? [metadata.listName] : type === 'redis-streams' ? [metadata.stream] : [],
  );
  await redis.del(...keys);
});

describe('the shipped formula asks for the right number of pods', () => {
  it.each<[string, Record<string, number>, number]>([
    ['no work', {}, 0],
    ['the last jobs run and none waits', { 'default.online:active': 11 }, 3],
    ['two merged entries of a fast model', { [STREAM]: 2 }, 1],
    ['requests that wait in the API processes', { [STREAM]: 4, [UNSENT]: 12 }, 4],
    ['a batch was submitted', { 'planner:wait': 1 }, 1],
    ['a hundred batches are being planned, none has chunks yet', { 'planner:active': 100 }, 1],
    ['a model was pushed', { 'registration:wait': 1 }, 1],
    ['a webhook waits for its retry', { 'webhooks:delayed': 1 }, 1],
    ['a chunk waits for its retry', { 'default.batch:delayed': 1 }, 1],
    ['a batch whose first chunk is not timed', { 'default.batch:active': 2, 'default.batch:prioritized': 1 }, 1],
    ['a batch with one worker', { 'default.batch:active': 2, 'default.batch:prioritized': 8, 'planner:active': 1 }, 5],
    [
      'a batch with four workers',
      { 'default.batch:active': 8, 'default.batch:prioritized': 16, 'planner:active': 1 },
      11,
    ],
    ['asynchronous jobs', { 'default.batch:wait': 20 }, 5],
    ['requests of another pool', { 'large.online:wait': 50 }, 0],
  ])('%s', async (_name, counts, pods) => {
    await fill(counts);
    const value = parseFormula(formula).compute(await readTriggers(scaledObject, source, 1));
    const metric = { type: 'AverageValue', value, target: Number(target) } as const;
    expect(replicasFor(metric, { nowMs: 0, replicas: 1, readyReplicas: 1 })).toBe(pods);
  });
});

/** Pods that are ready at once. */
class InstantPods implements ScaleTarget {
  replicas: number;
  readonly seen: number[] = [];

  constructor(replicas: number) {
    this.replicas = replicas;
  }

  get readyReplicas(): number {
    return this.replicas;
  }

  scaleTo(replicas: number): void {
    this.replicas = replicas;
    this.seen.push(replicas);
  }
}

/** Runs the autoscaler 200 times as fast as shipped until the check passes. */
async function scaleUntil(
  pods: InstantPods,
  given: Partial<typeof scaledObject>,
  check: (rounds: number) => void,
): Promise<void> {
  let rounds = 0;
  const onRound = (): void => void (rounds += 1);
  const options = { scaledObject: { ...scaledObject, ...given }, source, target: pods, speed: 200, onRound };
  const autoscaler = new Autoscaler(options);
  await eventually(() => check(rounds), { timeoutMs: 15_000 });
  await autoscaler.close();
}

it('scales an empty pool up for a batch that waits for its planner, and to zero when no work is left', async () => {
  await fill({ 'planner:wait': 1 });
  const pods = new InstantPods(0);
  const from = { minReplicaCount: 0 };
  await scaleUntil(pods, from, () => {
    expect(pods.seen).toEqual([1]);
  });
  await redis.del('bull:sconce.planner:wait');
  await scaleUntil(pods, from, () => {
    expect(pods.seen).toEqual([1, 0]);
  });
});

it('keeps the pods, and at least two, while the metric cannot be read', async () => {
  const [pods, busy] = [new InstantPods(1), new InstantPods(4)];
  const unreadable = {
    triggers: [
      ...scaledObject.triggers,
      {
        type: 'metrics-api',
        name: 'work',
        metadata: { url: 'http://api/backlog/default', valueLocation: 'x' },
      } as const,
    ],
  };
  await scaleUntil(pods, unreadable, () => {
    expect(pods.seen).toEqual([2]);
  });
  await scaleUntil(busy, unreadable, (rounds) => {
    expect(rounds).toBeGreaterThan(10);
  });
  expect(busy.seen).toEqual([]);
});
