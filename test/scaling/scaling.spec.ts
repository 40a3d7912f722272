import { expect, it } from 'vitest';
import { atEndOfFile, eventually } from '@sconce/testing';
import { seeded } from '../support/rows.ts';
import { Fleet } from './fleet.ts';
import { startInstallation } from './installation.ts';
import { Autoscaler, shippedScaledObject, type ScalingRound } from './keda.ts';
import { play, requestsOf } from './load-trace.ts';

// KEDA's formula and the HPA's algorithm, with the numbers of k8s/components/keda, scale real worker processes from none and back. Every
// wait and window of theirs is sixty times as short; what it proves is that they scale, not how fast. bench/scaling measures that.

const SPEED = 60;
const MOST = 3;
/** The model's 192 × 192 product, so often: some 15 ms for a row. */
const STEPS = 100;

it('pushes, batches and bursts wake workers, add some, and lose nothing; then they go away again', async () => {
  const installation = await startInstallation({ SCONCE_THREADS: '2' });
  atEndOfFile(() => installation.close());
  const fleet = new Fleet({ env: installation.workerEnv, startUpMs: 200, victim: 'random', random: seeded(3) });
  atEndOfFile(() => fleet.close());
  const rounds: ScalingRound[] = [];
  const autoscaler = new Autoscaler({
    scaledObject: { ...shippedScaledObject(), minReplicaCount: 0, maxReplicaCount: MOST },
    source: installation,
    target: fleet,
    speed: SPEED,
    onRound: (round) => rounds.push(round),
  });
  atEndOfFile(() => autoscaler.close());
  const gone = (): Promise<void> =>
    eventually(() => expect([fleet.replicas, fleet.counts.at(-1)?.replicas]).toEqual([0, 0]), { timeoutMs: 30_000 });
  const mostSince = (round: number): number => Math.max(...rounds.slice(round).map(({ wanted }) => wanted));

  // A push: nothing but its registration waits. It asks for one worker, and no more.
  await installation.push();
  expect(mostSince(0)).toBe(1);
  await gone();

  // A batch: nothing but its planner's job waits. The chunks that the first worker's planner queues then ask for more.
  const [beforeBatch, url] = [rounds.length, installation.url];
  const scored = await play([{ kind: 'batch', atMs: 0, rows: 600, steps: STEPS }], { url });
  expect(mostSince(beforeBatch)).toBe(MOST);
  expect(scored.batches).toMatchObject([{ status: 'completed', lost: 0, doubled: 0, inOrder: true }]);
  await gone();

  // A burst of requests.
  const beforeBurst = rounds.length;
  const answered = await play(requestsOf([{ seconds: 4, perSecond: 90, steps: STEPS }], seeded(5)), { url });
  expect(mostSince(beforeBurst)).toBe(MOST);
  expect(answered.requests.length).toBeGreaterThan(300);
  expect(answered.requests.filter(({ failed }) => failed !== undefined)).toEqual([]);
  await gone();

  // Each worker that was taken away, some of them busy, drained.
  await fleet.close();
  expect(fleet.exits.length).toBeGreaterThanOrEqual(1 + MOST + MOST);
  expect(fleet.exits.filter((code) => code !== 0)).toEqual([]);
}, 240_000);
