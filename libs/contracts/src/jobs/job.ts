import * as z from 'zod';
import type { DeepReadonly } from '../deep-readonly.ts';
import { listSchemaOf } from '../lists/list.ts';

/** queued → running → succeeded | failed; cancelled from queued or running. The last three are final. */
export const JOB_STATUSES = ['queued', 'running', 'succeeded', 'failed', 'cancelled'] as const;

export type JobStatus = (typeof JOB_STATUSES)[number];

/** An asynchronous request. Times are epoch seconds, as in OpenAI's resources. */
export const jobSchema = z
  .object({
    id: z.string(),
    object: z.literal('job'),
    model: z.string(),
    version: z.string(),
    status: z.enum(JOB_STATUSES),
    created_at: z.int().describe('Epoch seconds.'),
    started_at: z.int().optional().describe('Epoch seconds at which a worker first took it.'),
    finished_at: z.int().optional().describe('Epoch seconds at which it ended.'),
    error: z
      .object({ code: z.string(), message: z.string() })
      .optional()
      .describe('Present when the status is `failed`.'),
    timing: z
      .object({
        queue_ms: z.number().describe('From acceptance until a worker took it.'),
        batch_ms: z.number().describe('From then until a thread got it.'),
        run_ms: z.number().describe('In the native runtime.'),
        batch_rows: z.int().describe('Rows that shared the (last) run.'),
      })
      .optional()
      .describe('Where its time went. Present when the status is `succeeded`.'),
    timestamps_ms: z
      .object({ accepted: z.int(), started: z.int().optional(), finished: z.int().optional() })
      .describe('Epoch ms at which it was accepted, first taken by a worker, and ended.'),
    trace_id: z.string().optional().describe('Its trace, if one is recorded: `GET /v1/traces/{id}`.'),
  })
  .meta({ id: 'Job', description: 'An asynchronous request.' });

export type Job = DeepReadonly<z.infer<typeof jobSchema>>;

/** A page of jobs. */
export const jobListSchema = listSchemaOf(jobSchema, {
  id: 'JobList',
  description:
    'A page of jobs, newest first. With filters it may have fewer entries than `limit`, or none, and `has_more` still be true.',
});

/** Query of `GET /v1/jobs`. */
export const jobListQuerySchema = z.strictObject({
  after: z.string().max(100).optional().describe('`last_id` of the page before.'),
  limit: z.coerce.number().int().min(1).max(100).default(20).describe('Most jobs of the page.'),
  status: z.enum(JOB_STATUSES).optional().describe('Jobs of this status.'),
  model: z.string().max(200).optional().describe('Jobs of this model.'),
  version: z.string().max(200).optional().describe('Jobs of this version of the model.'),
  created_from: z.coerce.number().min(0).optional().describe('Epoch seconds: jobs that were created then or later.'),
  created_before: z.coerce.number().min(0).optional().describe('Epoch seconds: jobs that were created before.'),
});
