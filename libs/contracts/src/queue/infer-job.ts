import * as z from 'zod';
import { traceContextSchema } from '../tracing/trace-context.ts';
import { jobVersionSchema, modelNameSchema, modelVersionNameSchema } from './job-version.ts';

/** One request of a queue job. Its tensors are in the job's payload, in the same order. */
export const queuedRequestSchema = z.object({
  id: z.string().min(1).describe('Unique. For an asynchronous job, the id of its record.'),
  inputs: z.int().min(0).describe('Tensors that the request has in the payload.'),
  outputs: z.array(z.string()).describe('Names of the outputs to return, in order.'),
  acceptedAtMs: z.number().describe('Epoch ms at which the request was accepted.'),
  deadlineMs: z.number().optional().describe('Epoch ms after which no caller waits for the answer.'),
  priority: z.int().min(1).max(255).optional().describe('1 (first) to 255. Requests without one are in between.'),
  durable: z.boolean().describe('Whether the answer goes to the record of a job.'),
  trace: traceContextSchema.optional().describe('The span that added the request to the queue.'),
  maxOutputBytes: z.int().min(1).optional().describe('Most bytes of the outputs, if the caller’s key limits them.'),
});

export type QueuedRequest = z.infer<typeof queuedRequestSchema>;

/**
 * An `infer` job of the queue `sconce.<pool>.<lane>`: one or many requests for one model version. Many, because a queue job
 * costs some 2 ms of CPU over API, worker and Redis, whatever it holds (ADR 14).
 */
export const inferJobSchema = z.object({
  v: jobVersionSchema,
  model: modelNameSchema,
  version: modelVersionNameSchema,
  replyTo: z.string().optional().describe('Stream for the answers. Absent when no caller waits.'),
  requests: z.array(queuedRequestSchema).min(1).describe('The requests, in the order of their tensors.'),
  payload: z
    .union([
      z.object({ inline: z.string().describe('The frame, in base64.') }),
      z.object({ key: z.string().describe('Redis key of the frame.') }),
    ])
    .describe('The frame with all input tensors: in the job while it is small, else under a key of its own.'),
});

export type InferJob = z.infer<typeof inferJobSchema>;
