import { expect, it } from 'vitest';
import { createLogger } from '@sconce/telemetry';
import { eventually } from '@sconce/testing';
import { PodDeletionCost, type PodLoad } from './pod-deletion-cost.ts';

const logger = createLogger({ service: 'worker', level: 'fatal' });
const pod = { name: 'sconce-worker-1', namespace: 'ml' };
const annotation = (cost: number): string =>
  JSON.stringify({ metadata: { annotations: { 'controller.kubernetes.io/pod-deletion-cost': String(cost) } } });

it('patches the pod’s deletion cost only when its load has changed', async () => {
  const sent: [string, string][] = [];
  let load: PodLoad = { requests: 3, chunks: 2 };
  const cost = new PodDeletionCost({
    pod,
    logger,
    load: () => load,
    checkMs: 5,
    send: (path, body) => {
      sent.push([path, body]);
      // The first patch is lost.
      return Promise.resolve(sent.length === 1 ? 500 : 200);
    },
  });
  await eventually(() => expect(sent).toHaveLength(2));
  load = { requests: 0, chunks: 0 };
  await eventually(() => expect(sent).toHaveLength(3));
  await new Promise((resolve) => setTimeout(resolve, 50));
  cost.close();
  const path = '/api/v1/namespaces/ml/pods/sconce-worker-1';
  expect(sent).toEqual([
    [path, annotation(23)],
    [path, annotation(23)],
    [path, annotation(0)],
  ]);
});

it('stops after the first refused patch', async () => {
  let asked = 0;
  const cost = new PodDeletionCost({
    pod,
    logger,
    load: () => ({ requests: asked, chunks: 0 }),
    checkMs: 5,
    send: () => {
      asked += 1;
      return Promise.resolve(403);
    },
  });
  await new Promise((resolve) => setTimeout(resolve, 60));
  cost.close();
  expect(asked).toBe(1);
});
