import type { Trace } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';

const TRACE_ID = /^[0-9a-f]{32}$/;

/** The address of a trace. @param traceUrl address of the trace backend. @throws SconceError `not_found`. */
export function traceOf(id: string, traceUrl: string | undefined): Trace {
  if (traceUrl === undefined) {
    throw new SconceError('not_found', 'This server knows of no trace backend: set SCONCE_TRACE_URL at the API.');
  }
  if (!TRACE_ID.test(id)) {
    throw new SconceError('not_found', 'A trace id is 32 lower-case hexadecimal digits.', {
      details: { param: 'id' },
    });
  }
  return { id, object: 'trace', url: `${traceUrl}/api/traces/${id}` };
}
