import type { FastifyReply } from 'fastify';
import { SconceError, type SerializedError } from '@sconce/errors';
import type { JobRecord, JobStatus } from '@sconce/queue';

/** A job as `/v1/jobs` shows it; times are epoch seconds, as OpenAI's resources have them. */
export interface JobResource {
  readonly id: string;
  readonly object: 'job';
  readonly model: string;
  readonly version: string;
  readonly status: JobStatus;
  readonly created_at: number;
  readonly started_at?: number;
  readonly finished_at?: number;
  readonly error?: Pick<SerializedError, 'code' | 'message'>;
  readonly timing?: {
    readonly queue_ms: number;
    readonly batch_ms: number;
    readonly run_ms: number;
    readonly batch_rows: number;
  };
  /** Epoch ms at which it was accepted, taken by a worker for the first time, and ended. */
  readonly timestamps_ms: { readonly accepted: number; readonly started?: number; readonly finished?: number };
  /** The trace of its submission and its run, where one is recorded: `GET /v1/traces/{id}`. */
  readonly trace_id?: string;
}

export function toJobResource(job: JobRecord): JobResource {
  const { timing, error, startedAtMs, finishedAtMs, traceId } = job;
  return {
    id: job.id,
    object: 'job',
    model: job.model,
    version: job.version,
    status: job.status,
    created_at: seconds(job.createdAtMs),
    ...(startedAtMs === undefined ? {} : { started_at: seconds(startedAtMs) }),
    ...(finishedAtMs === undefined ? {} : { finished_at: seconds(finishedAtMs) }),
    ...(error === undefined ? {} : { error: { code: error.code, message: error.message } }),
    ...(timing === undefined
      ? {}
      : {
          timing: {
            queue_ms: timing.queueMs,
            batch_ms: timing.batchMs,
            run_ms: timing.runMs,
            batch_rows: timing.batchRows,
          },
        }),
    timestamps_ms: {
      accepted: job.createdAtMs,
      ...(startedAtMs === undefined ? {} : { started: startedAtMs }),
      ...(finishedAtMs === undefined ? {} : { finished: finishedAtMs }),
    },
    ...(traceId === undefined ? {} : { trace_id: traceId }),
  };
}

/** 202 with the job and where to find it. */
export function sendJob(reply: FastifyReply, job: JobResource): void {
  void reply.status(202).header('location', `/v1/jobs/${job.id}`).header('retry-after', '1').send(job);
}

/** The error for a result that is not there (yet, or for good). */
export function jobNotFinished(job: JobRecord): SconceError {
  return job.status === 'cancelled'
    ? new SconceError('job_cancelled', `Job "${job.id}" was cancelled; it has no result.`)
    : new SconceError('job_not_finished', `Job "${job.id}" is ${job.status}; ask again shortly.`, {
        details: { retryAfterSeconds: 1 },
      });
}

function seconds(ms: number): number {
  return Math.floor(ms / 1_000);
}
