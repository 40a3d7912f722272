import { hasEnded, type Batch, type Job } from '@sconce/client';
import type { SpanRecord } from '@sconce/trace-view';

/** What `sconce trace` needs to know about a job or a batch. */
export interface TracedWork {
  readonly id: string;
  readonly status: string;
  /** One line that describes it. */
  readonly title: string;
  /** Absent if no trace was recorded. */
  readonly traceId: string | undefined;
  /** Epoch ms; absent until it has ended. */
  readonly endedAtMs: number | undefined;
  /** The times in its own record, as spans. */
  readonly stages: readonly SpanRecord[];
}

/** A stage's name and end. It begins when the stage before it ends. */
type Stage = readonly [name: string, endMs: number | undefined];

/** The stages of a job from its record: the wait in the queue, the wait for a run, the run, the answer. */
export function tracedJob(job: Job, nowMs: number): TracedWork {
  const { accepted, started, finished } = job.timestamps_ms;
  const { timing } = job;
  const taken = timing === undefined ? started : accepted + timing.queue_ms;
  const stages: readonly Stage[] =
    timing === undefined || taken === undefined
      ? [
          ['queued', taken ?? finished],
          ['running', taken === undefined ? undefined : finished],
        ]
      : [
          ['queued', taken],
          ['waiting for a run', taken + timing.batch_ms],
          [
            `run of ${timing.batch_rows} ${timing.batch_rows === 1 ? 'row' : 'rows'}`,
            taken + timing.batch_ms + timing.run_ms,
          ],
          ['answering', finished],
        ];
  return {
    id: job.id,
    status: job.status,
    title: `job ${job.id}: ${job.status}, ${job.model} version ${job.version}`,
    traceId: job.trace_id,
    endedAtMs: finished,
    stages: toSpans('job', { startMs: accepted, endMs: finished ?? nowMs, error: job.error?.message }, stages),
  };
}

/** States of a batch that has not ended, after `validating`. */
const LATER_STATES = ['in_progress', 'finalizing', 'cancelling'] as const;

/** The stages of a batch from its record: the states of its latest run. */
export function tracedBatch(batch: Batch, nowMs: number): TracedWork {
  const { timestamps_ms: at, request_counts: counts, status } = batch;
  const startMs = at['created'] ?? nowMs;
  const endedAtMs = hasEnded(batch) ? at[status] : undefined;
  const endMs = endedAtMs ?? nowMs;
  const entered = LATER_STATES.flatMap((state) => {
    const atMs = at[state];
    return atMs === undefined || atMs > endMs ? [] : [{ state, atMs }];
  }).sort((a, b) => a.atMs - b.atMs);
  const stages = [{ state: 'validating', atMs: startMs }, ...entered].map(({ state }, index): Stage => [
    state,
    entered[index]?.atMs,
  ]);
  const rows = `${counts.completed} rows${counts.failed > 0 ? `, ${counts.failed} failed` : ''}`;
  return {
    id: batch.id,
    status,
    title: `batch ${batch.id}: ${status}, ${rows}, ${batch.model} version ${batch.version}`,
    traceId: batch.trace_id ?? undefined,
    endedAtMs,
    stages: toSpans('batch', { startMs, endMs, error: batch.errors?.data[0]?.message }, stages),
  };
}

function toSpans(
  name: string,
  { startMs, endMs, error }: { readonly startMs: number; readonly endMs: number; readonly error: string | undefined },
  stages: readonly Stage[],
): SpanRecord[] {
  const span = (own: Pick<SpanRecord, 'spanId' | 'name' | 'startMs' | 'endMs'>): SpanRecord => ({
    traceId: '',
    kind: 'internal',
    attributes: {},
    links: [],
    status: 'unset',
    service: '',
    ...own,
  });
  const root = span({ spanId: 'root', name, startMs, endMs });
  let sinceMs = startMs;
  const children = stages.flatMap(([stage, stageEndMs], index) => {
    // Other machines' clocks measured some stages, so each stage is cut at the end of the work.
    const own = { startMs: sinceMs, endMs: Math.min(endMs, Math.max(sinceMs, stageEndMs ?? endMs)) };
    if (own.startMs >= endMs && index > 0) return [];
    sinceMs = own.endMs;
    return [{ ...span({ spanId: `stage ${index}`, name: stage, ...own }), parentSpanId: root.spanId }];
  });
  const failed = error === undefined ? undefined : ({ status: 'error', statusMessage: error } as const);
  return [{ ...root, ...failed }, ...children];
}
