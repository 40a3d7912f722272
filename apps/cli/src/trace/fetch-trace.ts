import { SconceError, toSconceError } from '@sconce/errors';
import { readStoredTrace, type SpanRecord } from '@sconce/trace-view';
import { failure } from '../output/failure.ts';

const TIMEOUT_MS = 10_000;
const HINT = 'Set SCONCE_TRACE_URL to the query address of Jaeger (port 16686) or Tempo (port 3200).';

/**
 * Reads a trace from the query API of a backend. Empty if the backend does not have it.
 * @throws SconceError `server_unreachable` if nothing answers, or the answer is not from a trace backend.
 */
export async function fetchTrace(url: string): Promise<readonly SpanRecord[]> {
  let response: Response;
  let body: unknown;
  try {
    response = await fetch(url, { headers: { accept: 'application/json' }, signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (response.status === 404) return [];
    body = await response.json();
  } catch (cause) {
    const { message } = toSconceError(cause);
    throw failure('server_unreachable', `No trace backend answers at ${url}: ${message}.`, { hint: HINT, cause });
  }
  if (!response.ok) {
    throw failure('server_unreachable', `The trace backend answered ${response.status} at ${url}.`, { hint: HINT });
  }
  try {
    return readStoredTrace(body);
  } catch (cause) {
    const why = cause instanceof SconceError ? cause.message : String(cause);
    throw failure('server_unreachable', `The server at ${url} is not a trace backend: ${why}.`, { hint: HINT, cause });
  }
}
