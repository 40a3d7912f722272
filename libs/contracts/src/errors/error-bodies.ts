import * as z from 'zod';
import type { DeepReadonly } from '../deep-readonly.ts';

/** The body of a failed request to `/v1` and to routes outside the protocol, in OpenAI's form. */
export const errorBodySchema = z
  .object({
    error: z.object({
      message: z.string().describe('What is wrong, what was expected, and what to do.'),
      type: z
        .string()
        .describe('Kind of error in OpenAI’s words: invalid_request_error, rate_limit_error, server_error, …'),
      code: z.string().describe('The code to program against, such as `model_not_found`.'),
      param: z.string().nullable().describe('The field, header or parameter at fault.'),
    }),
  })
  .meta({ id: 'Error', description: 'A failed request.' });

export type ErrorBody = DeepReadonly<z.infer<typeof errorBodySchema>>;

/** The body of a failed request to `/v2`, as the Open Inference Protocol defines it. */
export const protocolErrorSchema = z
  .object({ error: z.string().describe('What is wrong, what was expected, and what to do.') })
  .meta({ id: 'ProtocolError', description: 'A failed request to /v2.' });

export type ProtocolError = DeepReadonly<z.infer<typeof protocolErrorSchema>>;
