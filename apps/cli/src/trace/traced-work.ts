import { hasEnded, type Batch, type Job } from '@sconce/client';
import type { SpanRecord } from '@sconce/trace-view';

/** A job or batch, as far as its trace goes. */
export interface TracedWork {
  readonly id: string;
  readonly status: string;
  /** One line on it. */
  readonly title: string;
  /** Absent where no trace was recorded. */
  readonly traceId: string | undefined;
  /** Epoch ms; absent while it goes on. */
  readonly endedAtMs: number | undefined;
  /** What it tells of itself, as spans. */
  readonly stages: readonly SpanRecord[];
}

/** A stage's name and end; it begins where the one before ends. */
type Stage = readonly [name: string, endMs: number | undefined];

/** What a job tells: how long it waited in its queue and for its run, the run, and the way back. */
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

/** States in which a batch is worked on, but for the first. */
const LATER_STATES = ['in_progress', 'finalizing', 'cancelling'] as const;

/** What a batch tells: the states it went through in its last run. */
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
    // Parts of it were measured by other clocks: none is shown beyond its end.
    const own = { startMs: sinceMs, endMs: Math.min(endMs, Math.max(sinceMs, stageEndMs ?? endMs)) };
    if (own.startMs >= endMs && index > 0) return [];
    sinceMs = own.endMs;
    return [{ ...span({ spanId: `stage ${index}`, name: stage, ...own }), parentSpanId: root.spanId }];
  });
  return [{ ...root, ...(error === undefined ? {} : { status: 'error' as const, statusMessage: error }) }, ...children];
}
