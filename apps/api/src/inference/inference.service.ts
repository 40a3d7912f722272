import { createHash, type Hash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { Lane } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import { ModelDirectory, type ReadyManifest } from '@sconce/models';
import { InferenceProducer, type JobRecord } from '@sconce/queue';
import type { Context, Telemetry } from '@sconce/telemetry';
import { STEP_BYTES, type Steps, type InferRequest } from '@sconce/tensor';
import { enqueued } from '../http/enqueue-span.ts';
import { slices } from '../http/slices.ts';
import { TELEMETRY } from '../tokens.ts';
import { jobNotFinished } from '../jobs/job-resource.ts';
import { servedModel } from '../models/served-model.ts';
import type { JobInference } from './infer.route.ts';
import type { InferenceCall } from './inference-call.ts';
import { storedResult, type JobAttachment } from './stored-result.ts';
import {
  encodeResponse,
  prepareInference,
  queueRequest,
  type InferenceResult,
  type PreparedInference,
} from './prepared-inference.ts';

const POLL_FIRST_MS = 5;
const POLL_MAX_MS = 100;

/** Requests that become jobs: checks them, queues them, and encodes their answers. A request is checked completely before it is queued. */
@Injectable()
export class InferenceService implements JobInference {
  constructor(
    @Inject(ModelDirectory) private readonly directory: ModelDirectory,
    @Inject(InferenceProducer) private readonly producer: InferenceProducer,
    @Inject(TELEMETRY) private readonly telemetry: Telemetry,
  ) {}

  /** Finds the model, and decodes the request with `read` for it. */
  async prepare(
    model: string,
    version: string | undefined,
    read: (manifest: ReadyManifest) => InferRequest | Promise<InferRequest>,
  ): Promise<PreparedInference> {
    const manifest = await this.servedModel(model, version);
    return prepareInference(manifest, await read(manifest));
  }

  /** A model that takes requests now. Throws `model_not_found`, `model_not_ready`. */
  async servedModel(model: string, version: string | undefined): Promise<ReadyManifest> {
    return servedModel(this.directory, model, version);
  }

  /** Runs a prepared request with an idempotency key once, and waits for its answer. */
  async inferOnce(
    prepared: PreparedInference,
    call: InferenceCall,
    { context, deadlineMs, signal }: { context: Context; deadlineMs: number; signal: AbortSignal },
  ): Promise<InferenceResult> {
    const { id } = await this.submit(prepared, call, { context, lane: 'online', scope: 'infer' });
    const job = await this.#finished(id, deadlineMs, signal);
    try {
      return await this.#answerOf(job);
    } catch (error) {
      if (error instanceof SconceError && error.code === 'job_not_found') throw resultExpired(call);
      throw error;
    }
  }

  /** Submits a prepared request as a job. */
  async submit(
    prepared: PreparedInference,
    call: InferenceCall,
    options: { context: Context; lane: Lane; scope: string },
  ): Promise<JobRecord> {
    const { request } = prepared;
    const attachment: JobAttachment = { requested: request.outputs, id: request.id };
    const { owner, idempotencyKey: key, keyBudget } = call;
    const maxOutputBytes = keyBudget?.output_bytes;
    const idempotency =
      key === undefined ? undefined : { owner, key, scope: options.scope, fingerprint: await fingerprint(call) };
    const { id } = await enqueued(this.telemetry.tracer, options.context, (trace) =>
      this.producer.submit(queueRequest(prepared, { owner, trace, maxOutputBytes }), {
        lane: options.lane,
        attachment,
        submitter: call.submitter,
        idempotency,
      }),
    );
    return this.producer.job(id);
  }

  /** The answer of a finished job. Throws the error of a failed job, `job_not_finished` or `job_cancelled`. */
  async result(job: JobRecord): Promise<InferenceResult> {
    if (job.status === 'failed' || job.status === 'succeeded') return this.#answerOf(job);
    throw jobNotFinished(job);
  }

  async #answerOf(job: JobRecord): Promise<InferenceResult> {
    if (job.error !== undefined)
      throw new SconceError(job.error.code, job.error.message, { details: job.error.details ?? {} });
    const timing = job.timing ?? { queueMs: 0, batchMs: 0, runMs: 0, batchRows: 0 };
    const outputs = await this.producer.openResult(job.id);
    if ('load' in outputs) return { ...(await storedResult(job, outputs)), timing };
    const { id, requested } = job.attachment as JobAttachment;
    const { model: modelName, version: modelVersion } = job;
    return { response: await encodeResponse({ modelName, modelVersion, outputs, requested, id }), timing };
  }

  /** Waits until a job has ended. Another API process may have submitted it. */
  async #finished(id: string, deadlineMs: number, signal: AbortSignal): Promise<JobRecord> {
    for (let waitMs = POLL_FIRST_MS; ; waitMs = Math.min(POLL_MAX_MS, waitMs * 1.5)) {
      const job = await this.producer.job(id);
      if (job.status === 'succeeded' || job.status === 'failed') return job;
      if (job.status === 'cancelled' || signal.aborted)
        throw new SconceError('job_cancelled', 'The request was cancelled.');
      if (Date.now() > deadlineMs) {
        throw new SconceError(
          'deadline_exceeded',
          "No answer came within the request's timeout; send it again with the same Idempotency-Key to fetch it.",
        );
      }
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }
}

/** The error for an idempotency key whose result has expired. The key runs one request once: it does not run the request again. */
function resultExpired({ idempotencyKey: key }: InferenceCall): SconceError {
  return new SconceError(
    'idempotency_conflict',
    `The result of Idempotency-Key "${key}" has expired; use a new key to run the request again.`,
    { details: { param: 'Idempotency-Key' } },
  );
}

/** Requests have equal fingerprints if they have the same path and the same bytes. */
function fingerprint({ url, headerLength, body }: InferenceCall): string | Promise<string> {
  const path = (url.split('?')[0] ?? '').replace(/\/+$/, '');
  const hash = createHash('sha256').update(`${path}\0${headerLength ?? ''}\0`);
  return slices.run(hashSteps(hash, body));
}

function* hashSteps(hash: Hash, body: Uint8Array): Steps<string> {
  for (let from = 0; from < body.length; from += STEP_BYTES) {
    hash.update(body.subarray(from, from + STEP_BYTES));
    yield;
  }
  return hash.digest('base64url');
}
