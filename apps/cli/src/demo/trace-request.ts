import { randomBytes } from 'node:crypto';
import type { SconceClient } from '@sconce/client';
import { renderTraceTree, type OtlpCollector } from '@sconce/trace-view';
import { pixelTensor } from './score.ts';
import type { Heldout } from './heldout.ts';

const LAST_SPAN = 'sconce.run';
const FIRST_SPAN = 'POST /v2/models/:model/infer';
const WAIT_MS = 10_000;

export interface TracedRequest {
  readonly traceId: string;
  /** The spans of the trace as a tree, with their times. */
  readonly tree: string;
}

/** Sends one online request with its own trace id, and collects that trace from all processes. */
export async function traceOneRequest(
  client: SconceClient,
  collector: OtlpCollector,
  heldout: Heldout,
): Promise<TracedRequest> {
  const traceId = randomBytes(16).toString('hex');
  const traceparent = `00-${traceId}-${randomBytes(8).toString('hex')}-01`;
  const inputs = [pixelTensor(heldout, 0, 1)];
  await client.infer('digits', { inputs, binary: true }, { headers: { traceparent } });
  await collector.waitFor((spans) => {
    const names = spans.filter((span) => span.traceId === traceId).map((span) => span.name);
    return names.includes(FIRST_SPAN) && names.includes(LAST_SPAN);
  }, WAIT_MS);
  return { traceId, tree: renderTraceTree(collector.spans.filter((span) => span.traceId === traceId)) };
}
