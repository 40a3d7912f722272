import * as z from 'zod';

/**
 * A message to all workers, over Redis pub/sub. A worker that misses one only frees memory later, or computes an answer
 * that no caller wants. Readers ignore notices of a kind that they do not know.
 */
export const noticeSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('unload').describe('Threads must let go of a model.'),
    model: z.string().describe('Name of the model.'),
    version: z.string().optional().describe('Version of the model. Default: all versions.'),
  }),
  z.object({
    kind: z.literal('cancel').describe('A job was cancelled.'),
    jobId: z.string().describe('Id of the job.'),
  }),
  z.object({
    kind: z.literal('batch').describe('A chunk of a batch was counted, or the state of the batch changed.'),
    batchId: z.string().describe('Id of the batch.'),
    cancelled: z.boolean().optional().describe('True when the batch takes no more results.'),
  }),
  z.object({
    kind: z.literal('give_up').describe('The callers of requests have gone.'),
    requestIds: z.array(z.string()).describe('Ids of the requests.'),
  }),
  z.object({
    kind: z.literal('suspects').describe('A kind of request has ended a process: workers read the kinds again.'),
  }),
]);

export type Notice = z.infer<typeof noticeSchema>;
