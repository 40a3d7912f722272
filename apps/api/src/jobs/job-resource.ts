import type { FastifyReply } from 'fastify';
import type { Job } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import type { JobRecord } from '@sconce/queue';
import { epochSeconds } from '../http/epoch-seconds.ts';

/** A job as the API shows it. */
export function toJobResource(job: JobRecord): Job {
  const { timing, error, createdAtMs, startedAtMs, finishedAtMs } = job;
  return {
    id: job.id,
    object: 'job',
    model: job.model,
    version: job.version,
    status: job.status,
    created_at: epochSeconds(createdAtMs),
    started_at: startedAtMs === undefined ? undefined : epochSeconds(startedAtMs),
    finished_at: finishedAtMs === undefined ? undefined : epochSeconds(finishedAtMs),
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

/** Sends 202 with the job and its location. */
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
