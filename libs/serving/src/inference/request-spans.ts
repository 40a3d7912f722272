import type { SconceError } from '@sconce/errors';
import { epochMs } from '@sconce/process/time';
import type { DeliveredRequest } from '@sconce/queue';
import { NO_THREAD, type RunRecord } from '@sconce/runtime';
import {
  SpanKind,
  contextWithSpan,
  extractContext,
  spanAt,
  spanOf,
  type Attributes,
  type Context,
  type Link,
  type Telemetry,
} from '@sconce/telemetry';

/** How a request ended: its runs, or its error. */
export interface TracedRequest {
  readonly delivered: DeliveredRequest;
  readonly runs: readonly RunRecord[];
  readonly failure: SconceError | undefined;
}

type Tracer = Telemetry['tracer'];

/**
 * Records the spans of a request in its trace, after the fact, from times that were measured anyway. They follow each other without a
 * gap: `sconce.publish` (until its entry is added to the stream), `sconce.queue` (until a worker takes it), `sconce.take` (until the
 * batcher has it), then a `sconce.batch` for each of its runs.
 */
export function recordRequestSpans(tracer: Tracer, { delivered, runs, failure }: TracedRequest): void {
  const { request, lane, model, version, addedAtMs, takenAtMs } = delivered;
  const parent = extractContext(request.trace ?? {});
  const identity = { 'sconce.model': model, 'sconce.version': version };
  if (addedAtMs !== undefined) {
    spanAt({ tracer, name: 'sconce.publish', parent, startMs: request.acceptedAtMs, endMs: addedAtMs });
  }
  spanAt({
    tracer,
    name: 'sconce.queue',
    kind: SpanKind.CONSUMER,
    parent,
    startMs: addedAtMs ?? request.acceptedAtMs,
    endMs: takenAtMs,
    attributes: {
      ...identity,
      'sconce.lane': lane,
      'sconce.delivery': delivered.delivery,
      ...(delivered.suspect === true ? { 'sconce.suspect': true } : {}),
      'sconce.job.requests': delivered.jobRequests,
    },
  });
  if (failure !== undefined) {
    spanAt({
      tracer,
      name: 'sconce.batch',
      parent,
      startMs: takenAtMs,
      endMs: epochMs(),
      attributes: { ...identity, 'error.type': failure.code },
      error: failure,
    });
  }
  const [first] = runs;
  if (first !== undefined) {
    spanAt({ tracer, name: 'sconce.take', parent, startMs: takenAtMs, endMs: first.submittedAtMs });
  }
  for (const run of runs) {
    // Each request of the run has this batch in its own trace. The links lead to the other requests.
    const links = run.labels.filter((label) => label !== request.trace?.traceparent).flatMap(linkTo);
    recordBatch(tracer, run, { parent, identity, links });
  }
}

/** A batch and what is in it: the wait for a thread, the loading of the model if there was one, the run, and the way back. */
function recordBatch(
  tracer: Tracer,
  run: RunRecord,
  { parent, identity, links }: { readonly parent: Context; readonly identity: Attributes; readonly links: Link[] },
): void {
  const { submittedAtMs, runStartMs, runEndMs, answeredAtMs, loadMs, batchRows } = run;
  const rows = { 'sconce.batch.rows': batchRows };
  const batch = spanAt({
    tracer,
    name: 'sconce.batch',
    parent,
    startMs: submittedAtMs,
    endMs: answeredAtMs,
    links,
    attributes: { ...identity, ...rows, 'sconce.batch.requests': run.batchRequests },
  });
  const inside = contextWithSpan(parent, batch);
  const loadStartMs = runStartMs - loadMs;
  spanAt({ tracer, name: 'sconce.wait', parent: inside, startMs: submittedAtMs, endMs: loadStartMs });
  if (loadMs > 0) {
    spanAt({
      tracer,
      name: 'sconce.load',
      parent: inside,
      startMs: loadStartMs,
      endMs: runStartMs,
      attributes: identity,
    });
  }
  spanAt({
    tracer,
    name: 'sconce.run',
    parent: inside,
    startMs: runStartMs,
    endMs: runEndMs,
    attributes: { ...identity, ...rows, ...where(run) },
  });
  spanAt({ tracer, name: 'sconce.collect', parent: inside, startMs: runEndMs, endMs: answeredAtMs });
}

/** The thread of a run, or that it ran alone. */
function where({ threadId }: RunRecord): Attributes {
  return threadId === NO_THREAD ? { 'sconce.run.alone': true } : { 'thread.id': threadId };
}

function linkTo(traceparent: string): Link[] {
  const context = spanOf({ traceparent });
  return context === undefined ? [] : [{ context }];
}
