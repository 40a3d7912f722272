import type { Lane } from '@sconce/contracts';

/** The queue of model versions to register. */
export const REGISTRATION_QUEUE = 'sconce.registration';

/** The queue of batches to plan: one job leads one run of a batch. */
export const PLANNER_QUEUE = 'sconce.planner';

/** The queue of webhooks to deliver. */
export const WEBHOOK_QUEUE = 'sconce.webhooks';

/** Kinds of queues. Each kind has its own options. */
export type QueueKind = Lane | 'registration' | 'planner' | 'webhooks';

/** A queue: one lane of a pool, or a queue that all pools share. */
export type QueueId = { readonly pool: string; readonly lane: Lane } | Exclude<QueueKind, Lane>;

/** The BullMQ queue of a pool's lane. */
export function laneQueueName(pool: string, lane: Lane): string {
  return `sconce.${pool}.${lane}`;
}

/** The BullMQ queue of `queue`, and its kind. */
export function describeQueue(queue: QueueId): { readonly name: string; readonly kind: QueueKind } {
  if (typeof queue === 'object') return { name: laneQueueName(queue.pool, queue.lane), kind: queue.lane };
  return { name: NAMES[queue], kind: queue };
}

const NAMES = { registration: REGISTRATION_QUEUE, planner: PLANNER_QUEUE, webhooks: WEBHOOK_QUEUE } as const;
