import * as z from 'zod';
import type { DeepReadonly } from '../deep-readonly.ts';

/** What the server is and which extensions of the protocol it has. */
export const serverMetadataSchema = z
  .object({ name: z.string(), version: z.string(), extensions: z.array(z.string()) })
  .meta({ id: 'ServerMetadata', description: 'The server and the protocol extensions that it has.' });

export type ServerMetadata = DeepReadonly<z.infer<typeof serverMetadataSchema>>;

/** `GET /v2/health/live`. */
export const liveSchema = z
  .object({ live: z.boolean() })
  .meta({ id: 'Live', description: 'Whether the process runs.' });

export type Live = DeepReadonly<z.infer<typeof liveSchema>>;

/** `GET /v2/health/ready`. */
export const serverReadySchema = z
  .object({ live: z.boolean(), ready: z.boolean().describe('Whether a request that is sent now can be accepted.') })
  .meta({ id: 'ServerReady', description: 'Whether the server takes requests.' });

export type ServerReady = DeepReadonly<z.infer<typeof serverReadySchema>>;

/** The backlog of a pool, for scaling its workers. */
export const poolBacklogSchema = z
  .object({
    pool: z.string(),
    waiting: z.int().describe('Queue jobs that wait, of both lanes.'),
    prioritized: z.int().describe('Queue jobs that wait and have a priority.'),
    delayed: z.int().describe('Queue jobs that wait for a retry.'),
    active: z.int().describe('Queue jobs that workers hold.'),
    jobs: z.number().describe('All of these together.'),
    worker_seconds: z.number().describe('Time that one worker would need for the backlog, seconds.'),
    seconds: z.number().describe('Time that the workers there are need for the backlog, seconds.'),
    workers: z.int().describe('Workers that reported recently.'),
  })
  .meta({ id: 'PoolBacklog', description: 'Accepted work of a pool that has not ended.' });

export type PoolBacklog = DeepReadonly<z.infer<typeof poolBacklogSchema>>;
