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

/** A stage's name and end. It begins when the stage before it ends. Every stage is drawn, also one that took no time. */
type Stage = readonly [name: string, endMs: number | undefined];

/** Records keep whole milliseconds, cut off: an event came less than this after its time in the record. */
const RECORD_RESOLUTION_MS = 1;

/** The stages of a job from its record: the wait in the queue, the wait for a run, the run, the answer. */
export function tracedJob(job: Job, nowMs: number): TracedWork {
  const { finished } = job.timestamps_ms;
  const stages = stagesOfJob(job);
  return {
    id: job.id,
    status: job.status,
    title: `job ${job.id}: ${job.status}, ${job.model} version ${job.version}`,
    traceId: job.trace_id,
    endedAtMs: finished,
    stages: toSpans(
      'job',
      { startMs: job.timestamps_ms.accepted, endMs: endOf(job, stages, nowMs), error: job.error?.message },
      stages,
    ),
  };
}

function stagesOfJob({ timing, timestamps_ms: { accepted, started, finished } }: Job): readonly Stage[] {
  if (timing === undefined) {
    const queued: Stage = ['queued', started ?? finished];
    return started === undefined ? [queued] : [queued, ['running', finished]];
  }
  const taken = accepted + timing.queue_ms;
  const begun = taken + timing.batch_ms;
  return [
    ['queued', taken],
    ['waiting for a run', begun],
    [`run of ${timing.batch_rows} ${timing.batch_rows === 1 ? 'row' : 'rows'}`, begun + timing.run_ms],
    ['answering', finished],
  ];
}

/** The stages were measured in fractions of a millisecond: a short job may end after its time in the record. */
function endOf({ timestamps_ms: { finished } }: Job, stages: readonly Stage[], nowMs: number): number {
  if (finished === undefined) return nowMs;
  const measured = Math.max(finished, ...stages.map(([, endMs = finished]) => endMs));
  return Math.min(measured, finished + RECORD_RESOLUTION_MS);
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
  const children = stages.map(([stage, stageEndMs], index) => {
    // Other machines' clocks measured some stages, so each stage is cut at the end of the work.
    const own = { startMs: sinceMs, endMs: Math.min(endMs, Math.max(sinceMs, stageEndMs ?? endMs)) };
    sinceMs = own.endMs;
    return { ...span({ spanId: `stage ${index}`, name: stage, ...own }), parentSpanId: root.spanId };
  });
  const failed = error === undefined ? undefined : ({ status: 'error', statusMessage: error } as const);
  return [{ ...root, ...failed }, ...children];
}
