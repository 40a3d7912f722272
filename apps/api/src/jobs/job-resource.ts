import type { FastifyReply } from 'fastify';
import type { Job } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import type { JobRecord } from '@sconce/queue';

/** A job as the API shows it. */
export function toJobResource(job: JobRecord): Job {
  const { timing, error, createdAtMs, startedAtMs, finishedAtMs } = job;
  return {
    id: job.id,
    object: 'job',
    model: job.model,
    version: job.version,
    status: job.status,
    created_at: seconds(createdAtMs),
    started_at: startedAtMs === undefined ? undefined : seconds(startedAtMs),
    finished_at: finishedAtMs === undefined ? undefined : seconds(finishedAtMs),
    error: error && { code: error.code, message: error.message },
    timing: timing && {
      queue_ms: timing.queueMs,
      batch_ms: timing.batchMs,
      run_ms: timing.runMs,
      batch_rows: timing.batchRows,
    },
    timestamps_ms: { accepted: createdAtMs, started: startedAtMs, finished: finishedAtMs },
    trace_id: job.traceId,
  };
}

/** 202 with the job and where to find it. */
export function sendJob(reply: FastifyReply, job: Job): void {
  void reply.status(202).header('location', `/v1/jobs/${job.id}`).header('retry-after', '1').send(job);
}

/** The error for a result that does not exist yet, or never will. */
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
