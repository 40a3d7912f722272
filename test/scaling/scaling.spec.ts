import { expect, it } from 'vitest';
import { atEndOfFile, eventually } from '@sconce/testing';
import { seeded } from '../support/seeded.ts';
import { Fleet } from './fleet.ts';
import { startInstallation } from './installation.ts';
import { Autoscaler, shippedScaledObject, type ScalingRound } from './keda.ts';
import { playTrace, requestsOf } from './load-trace.ts';

// KEDA's formula and the HPA's algorithm, with the numbers of k8s/components/keda, scale real worker processes from zero and
// back. All their waits and windows are 60 times as short. The test shows that they scale; bench/scaling measures how fast.

const SPEED = 60;
const MOST = 3;
/** Repetitions of the model's 192 × 192 product: about 15 ms per row. */
const STEPS = 100;

it('workers are added for pushes, batches and bursts, no work is lost, and they are removed again', async () => {
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
  const allRemoved = (): Promise<void> =>
    eventually(() => expect([fleet.replicas, fleet.counts.at(-1)?.replicas]).toEqual([0, 0]), { timeoutMs: 30_000 });
  const mostSince = (round: number): number => Math.max(...rounds.slice(round).map(({ wanted }) => wanted));

  // A push: only its registration waits. It asks for one worker.
  await installation.push();
  expect(mostSince(0)).toBe(1);
  await allRemoved();

  // A batch: only its planner job waits. Then the chunks that the first worker's planner queues ask for more workers.
  const [beforeBatch, url] = [rounds.length, installation.url];
  const scored = await playTrace([{ kind: 'batch', atMs: 0, rows: 1_800, steps: STEPS }], { url });
  expect(mostSince(beforeBatch)).toBe(MOST);
  expect(scored.batches).toMatchObject([{ status: 'completed', lost: 0, doubled: 0, inOrder: true }]);
  await allRemoved();

  // A burst of requests.
  const beforeBurst = rounds.length;
  const answered = await playTrace(requestsOf([{ seconds: 4, perSecond: 90, steps: STEPS }], seeded(5)), { url });
  expect(mostSince(beforeBurst)).toBe(MOST);
  expect(answered.requests.length).toBeGreaterThan(300);
  expect(answered.requests.filter(({ failed }) => failed !== undefined)).toEqual([]);
  await allRemoved();

  // All removed workers drained; some of them were busy.
  await fleet.close();
  expect(fleet.exits.length).toBeGreaterThanOrEqual(1 + MOST + MOST);
  expect(fleet.exits.filter((code) => code !== 0)).toEqual([]);
}, 240_000);
