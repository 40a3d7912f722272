import type { TraceContext } from '@sconce/contracts';
import { epochMs } from '@sconce/process/time';
import type { InferenceAnswer } from '@sconce/queue';
import { endSpan, spanAt, type RequestTrace, type Telemetry } from '@sconce/telemetry';
import { beginEnqueue } from '../http/enqueue-span.ts';

/** An answer, and when it came, epoch ms. */
export interface TracedAnswer {
  readonly answer: InferenceAnswer;
  readonly receivedAtMs: number;
}

/**
 * Runs a request whose trace is recorded. The spans cover its time in this process: `sconce.decode` until the request is handed on,
 * `sconce.enqueue` until its answer is here, and in it `sconce.reply` from the time at which the worker had the outputs. What it costs to
 * record a span is part of the span that goes on, so that no time is uncovered.
 */
export async function tracedInference(
  tracer: Telemetry['tracer'],
  { context, startedAtMs }: RequestTrace,
  run: (trace: TraceContext | undefined) => Promise<InferenceAnswer>,
): Promise<TracedAnswer> {
  const { span, context: parent, trace } = beginEnqueue(tracer, context);
  const handedOnAtMs = epochMs();
  const pending = run(trace);
  spanAt({ tracer, name: 'sconce.decode', parent: context, startMs: startedAtMs, endMs: handedOnAtMs });
  let receivedAtMs: number | undefined;
  try {
    const answer = await pending;
    receivedAtMs = epochMs();
    const { answeredAtMs: startMs } = answer.timing;
    if (startMs !== undefined) spanAt({ tracer, name: 'sconce.reply', parent, startMs, endMs: receivedAtMs });
    return { answer, receivedAtMs };
  } finally {
    endSpan(span, receivedAtMs);
  }
}
