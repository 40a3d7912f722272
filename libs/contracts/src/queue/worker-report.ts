import * as z from 'zod';
import type { DeepReadonly } from '../deep-readonly.ts';

const rate = z.number().optional();

/** What a worker writes about itself every few seconds, in the Redis hash `sconce:rates:<pool>`. */
export const workerReportSchema = z.object({
  v: z.literal(1).describe('Version of this contract.'),
  atMs: z.number().describe('Epoch ms at which the report was written.'),
  rates: z
    .object({
      online: rate.describe('Queue jobs of the online lane per second of the time in which there were any.'),
      batch: rate.describe('As `online`, for the requests of the batch lane.'),
    })
    .describe('How fast the worker is, by lane. A lane without jobs so far is absent.'),
  slots: z.int().optional().describe('Chunks that the worker scores at once.'),
  threads: z.int().optional().describe('Inference threads of the worker.'),
  readsStream: z
    .boolean()
    .optional()
    .describe('Whether the worker reads the stream of online requests of its pool. Workers of 0.1 do not.'),
  gone: z.boolean().optional().describe('True in the report that a worker leaves when it stops.'),
});

export type WorkerReport = DeepReadonly<z.infer<typeof workerReportSchema>>;
