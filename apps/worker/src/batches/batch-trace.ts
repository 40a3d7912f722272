import type { ChunkPart } from '@sconce/contracts';
import type { SconceError } from '@sconce/errors';
import { traceIdOf, type BatchRecord, type DeliveredChunk } from '@sconce/queue';
import type { RunRecord } from '@sconce/runtime';
import {
  ROOT_CONTEXT,
  SpanKind,
  extractContext,
  spanAt,
  spanOf,
  type Attributes,
  type Tracer,
} from '@sconce/telemetry';
import type { ChunkTimes } from './dataset-protocol.ts';

/** Chunks whose spans are in their batch's trace. More would be too many to read. */
export const MAX_TRACED_CHUNKS = 100;

/** The sums over a chunk's runs. One span for each run would be too many to read. */
export class RunTally {
  #runs = 0;
  #ms = 0;
  readonly #threads = new Set<number>();

  add(runs: readonly RunRecord[]): void {
    for (const { runStartMs, runEndMs, threadId } of runs) {
      this.#runs += 1;
      this.#ms += runEndMs - runStartMs;
      this.#threads.add(threadId);
    }
  }

  attributes(): Attributes {
    return {
      'sconce.run.count': this.#runs,
      'sconce.run.total_ms': round(this.#ms),
      'sconce.run.threads': [...this.#threads].sort((a, b) => a - b),
    };
  }
}

/** A chunk's delivery that has ended. */
export interface ChunkTrace {
  readonly batch: BatchRecord;
  readonly delivered: DeliveredChunk;
  readonly endMs: number;
  readonly outcome: string;
  readonly runs: RunTally;
  readonly part?: ChunkPart | undefined;
  readonly times?: ChunkTimes | undefined;
  readonly failure?: SconceError | undefined;
}

/**
 * Records one span for a chunk. The spans of a batch's first 100 chunks are in the batch's trace. Each later chunk is a trace of its own,
 * sampled like any trace, with a link to the batch's trace. A batch without a trace gets no spans.
 */
export function traceChunk(tracer: Tracer, { batch, delivered, endMs, outcome, runs, ...of }: ChunkTrace): void {
  const { trace } = batch.spec;
  const origin = spanOf(trace);
  if (trace === undefined || origin === undefined || traceIdOf(trace) === undefined) return;
  const { job, addedAtMs, takenAtMs, delivery } = delivered;
  const isOwn = job.index >= MAX_TRACED_CHUNKS;
  const { part, times, failure } = of;
  spanAt({
    tracer,
    name: 'sconce.chunk',
    kind: SpanKind.CONSUMER,
    parent: isOwn ? ROOT_CONTEXT : extractContext(trace),
    links: isOwn ? [{ context: origin }] : undefined,
    startMs: takenAtMs,
    endMs,
    attributes: {
      'sconce.chunk.index': job.index,
      'sconce.chunk.rows': job.range.rows,
      'sconce.chunk.outcome': outcome,
      ...(part === undefined || part.failed === 0 ? {} : { 'sconce.chunk.failed_rows': part.failed }),
      'sconce.queue.wait_ms': round(Math.max(0, takenAtMs - addedAtMs)),
      ...(times === undefined
        ? {}
        : {
            'sconce.chunk.read_ms': round(times.readMs),
            'sconce.chunk.run_wait_ms': round(times.waitMs),
            'sconce.chunk.write_ms': round(times.writeMs),
          }),
      ...runs.attributes(),
      ...identityOf(batch),
      'sconce.chunk.first_row': job.range.firstRow,
      'sconce.delivery': delivery,
    },
    error: failure,
  });
}

/** Records a step of a batch's planner in the batch's trace, if it has one. */
export function traceStep(
  tracer: Tracer,
  step: {
    readonly batch: BatchRecord;
    readonly name: 'sconce.validate' | 'sconce.finalize';
    readonly startMs: number;
    readonly attributes?: Attributes;
    readonly error?: { readonly message: string } | undefined;
  },
): void {
  const { batch, name, startMs, attributes, error } = step;
  if (batch.spec.trace === undefined) return;
  spanAt({
    tracer,
    name,
    kind: SpanKind.CONSUMER,
    parent: extractContext(batch.spec.trace),
    startMs,
    endMs: Date.now(),
    attributes: { ...attributes, ...identityOf(batch) },
    error,
  });
}

function identityOf({ id, run, spec }: BatchRecord): Attributes {
  return { 'sconce.batch.id': id, 'sconce.batch.run': run, 'sconce.model': spec.model, 'sconce.version': spec.version };
}

function round(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
