import type { SerializedError } from '@sconce/errors';
import type { Tensor } from '@sconce/tensor';
import * as z from 'zod';
import type { DeepReadonly } from '../deep-readonly.ts';
import { requestTimingSchema, type RequestTiming } from '../inference/request-timing.ts';

/**
 * One answer in an entry of a reply stream. The entry's frame has an array of these as its `meta`, and the output tensors
 * of all answers in the same order. An answer has either `timing` or `error`.
 */
export const replyMetaSchema = z.object({
  id: z.string().describe('Id of the request.'),
  outputs: z.int().min(0).describe('Tensors that the answer has in the frame.'),
  timing: requestTimingSchema.optional().describe('Where the time went, when the request succeeded.'),
  error: z
    .object({
      code: z.string().describe('Error code. A reader takes a code that it does not know as `internal`.'),
      message: z.string().describe('The message, for people.'),
      details: z.record(z.string(), z.unknown()).optional().describe('Context for programs.'),
    })
    .optional()
    .describe('The error, when the request failed.'),
});

export type ReplyMeta = DeepReadonly<z.infer<typeof replyMetaSchema>>;

/** The end of a request: outputs, or an error. */
export type Outcome =
  | { readonly ok: true; readonly outputs: readonly Tensor[]; readonly timing: RequestTiming }
  | { readonly ok: false; readonly error: SerializedError };

/** The outcome of one request on its way to the producer. */
export interface Reply {
  readonly id: string;
  readonly outcome: Outcome;
}
