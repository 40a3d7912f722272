import * as z from 'zod';
import { traceContextSchema, type RequestTiming } from '@sconce/contracts';
import type { SerializedError } from '@sconce/errors';
import type { Tensor } from '@sconce/tensor';

/** One request as it rides in a queue job; its tensors are in the job's payload, in the same order. */
const requestSchema = z.object({
  /** Unique; an asynchronous job's id. */
  id: z.string().min(1),
  /** Number of tensors this request has in the payload. */
  inputs: z.int().min(0),
  /** Names of the outputs wanted, in order. */
  outputs: z.array(z.string()),
  /** Epoch ms at which it was accepted. */
  acceptedAtMs: z.number(),
  /** Epoch ms after which nobody wants the answer. */
  deadlineMs: z.number().optional(),
  /** 1 (first) to 255; requests without one are in between. */
  priority: z.int().min(1).max(255).optional(),
  /** True where the answer goes to a job record, not (only) to a waiting caller. */
  durable: z.boolean(),
  /** W3C trace context of the span that enqueued it. */
  trace: traceContextSchema.optional(),
});

/**
 * The contract of `sconce.<pool>.<lane>`: one or many requests for one model version. Many, because a queue job costs
 * some 400 µs of CPU across the three processes whatever it holds: merging before the queue is worth 12–25×.
 */
export const inferJobSchema = z.object({
  v: z.literal(1),
  model: z.string(),
  version: z.string(),
  /** Stream the answers go to; absent where every request is durable and nobody waits. */
  replyTo: z.string().optional(),
  requests: z.array(requestSchema).min(1),
  /** A tensor frame: base64 in the job while small, else under its own Redis key. */
  payload: z.union([z.object({ inline: z.string() }), z.object({ key: z.string() })]),
});

/** The contract of `sconce.registration`. */
export const registrationJobSchema = z.object({
  v: z.literal(1),
  model: z.string(),
  version: z.string(),
  trace: traceContextSchema.optional(),
});

export type InferJob = z.infer<typeof inferJobSchema>;
export type QueuedRequest = InferJob['requests'][number];
export type RegistrationJob = z.infer<typeof registrationJobSchema>;

/** A request's outcome as it crosses the reply channel and the job record. */
export type Outcome =
  | { readonly ok: true; readonly outputs: readonly Tensor[]; readonly timing: RequestTiming }
  | { readonly ok: false; readonly error: SerializedError };
