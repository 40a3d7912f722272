import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { checkKeyOutputs, type Lane } from '@sconce/contracts';
import type { ModelDirectory } from '@sconce/models';
import type { InferenceAnswer, InferencePort, InferenceRequest, JobRecord } from '@sconce/queue';
import type { Context, Logger, Telemetry } from '@sconce/telemetry';
import { freeBytes, isFreeable } from '@sconce/process/memory';
import { TENSOR_BODY } from '../http/body-parser.ts';
import { answerError } from '../http/error-answer.ts';
import { markEncoding, nameModel, recordedTrace, requestContext } from '../http/request-trace.ts';
import { sendJob, toJobResource } from '../jobs/job-resource.ts';
import { requireServed } from '../models/served-model.ts';
import { prefersAsync, readInferenceCall, type InferenceCall } from './inference-call.ts';
import {
  deadlineOf,
  encodeAnswer,
  prepareInference,
  queueRequest,
  type InferenceResult,
  type PreparedInference,
} from './prepared-inference.ts';
import type { RequestDecoder } from './request-decoder.ts';
import { sendResult } from './send-response.ts';
import { tracedInference } from './traced-inference.ts';

/** Requests that become jobs: those that ask for one, and those that may be repeated (`Idempotency-Key`). */
export interface JobInference {
  /** Submits a job. */
  submit(
    prepared: PreparedInference,
    call: InferenceCall,
    options: { readonly context: Context; readonly lane: Lane; readonly scope: string },
  ): Promise<JobRecord>;
  /** Submits a job once, and waits for its answer. */
  inferOnce(
    prepared: PreparedInference,
    call: InferenceCall,
    options: { readonly context: Context; readonly deadlineMs: number; readonly signal: AbortSignal },
  ): Promise<InferenceResult>;
}

export interface InferRouteOptions {
  readonly directory: Pick<ModelDirectory, 'fresh' | 'resolve'>;
  readonly decoder: RequestDecoder;
  readonly port: InferencePort;
  readonly jobs: JobInference;
  readonly telemetry: Pick<Telemetry, 'tracer'>;
  readonly logger: Logger;
  /** Longest time that a caller waits, ms. */
  readonly requestTimeoutMs: number;
}

/** The part of the path that names the model. */
interface ModelParams {
  readonly model: string;
  readonly version?: string;
}

const ROUTES = ['/v2/models/:model/infer', '/v2/models/:model/versions/:version/infer'];

/**
 * Inference as the Open Inference Protocol defines it. These routes are Fastify's own, outside Nest: a request costs a fraction of what
 * the layers of a controller cost (ADR 28).
 */
export function installInferRoutes(fastify: FastifyInstance, options: InferRouteOptions): void {
  const route = new InferRoute(options);
  for (const url of ROUTES) {
    fastify.post<{ Params: ModelParams }>(url, {
      config: TENSOR_BODY,
      errorHandler: (thrown, request, reply) => answerError({ request, reply, thrown }, options.logger),
      handler: (request, reply) => {
        route.answer(request, reply).catch((thrown: unknown) => {
          answerError({ request, reply, thrown }, options.logger);
        });
      },
    });
  }
}

type InferHttpRequest = FastifyRequest<{ Params: ModelParams }>;

class InferRoute {
  readonly #options: InferRouteOptions;

  constructor(options: InferRouteOptions) {
    this.#options = options;
  }

  async answer(request: InferHttpRequest, reply: FastifyReply): Promise<void> {
    const { directory, decoder } = this.#options;
    const { model, version } = request.params;
    const call = readInferenceCall(request);
    let prepared: PreparedInference;
    try {
      // Without a turn of the microtask queue when memory has the model.
      const resolved = directory.fresh(model, version) ?? (await directory.resolve(model, version));
      const manifest = requireServed(resolved);
      const decoded = decoder.decode(call, manifest);
      // A promise for large bodies alone.
      prepared = prepareInference(manifest, decoded instanceof Promise ? await decoded : decoded);
    } catch (error) {
      freeBytes(call.body);
      throw error;
    }
    nameModel(request, prepared.manifest.name);
    if (prefersAsync(request)) await this.#submit(prepared, call, { request, reply });
    else if (call.idempotencyKey !== undefined) await this.#inferOnce(prepared, call, { request, reply });
    else await this.#infer(prepared, call, { request, reply });
  }

  async #infer(
    prepared: PreparedInference,
    { owner, body, keyBudget }: InferenceCall,
    { request, reply }: Exchange,
  ): Promise<void> {
    const { telemetry } = this.#options;
    const recorded = recordedTrace(request);
    let answer: InferenceAnswer;
    if (recorded === undefined) answer = await this.#begin(prepared, { owner, body }, reply);
    else {
      const run = (trace: InferenceRequest['trace']): Promise<InferenceAnswer> =>
        this.#begin(prepared, { owner, trace, body }, reply);
      const traced = await tracedInference(telemetry.tracer, recorded, run);
      markEncoding(request, traced.receivedAtMs);
      ({ answer } = traced);
    }
    checkKeyOutputs(answer.outputs, keyBudget?.output_bytes);
    const encoded = encodeAnswer(prepared, answer.outputs);
    const response = encoded instanceof Promise ? await encoded : encoded;
    await sendResult(reply, { response, timing: answer.timing });
  }

  /** Hands the request to what runs it, and gives it up when the caller has gone. */
  #begin(
    prepared: PreparedInference,
    { body, ...caller }: Parameters<typeof queueRequest>[1] & { readonly body: Uint8Array },
    { raw }: FastifyReply,
  ): Promise<InferenceAnswer> {
    const { port, requestTimeoutMs } = this.#options;
    const deadlineMs = deadlineOf(prepared, requestTimeoutMs);
    const pending = port.begin(queueRequest(prepared, caller), { deadlineMs, onInputsUnused: freeing(body) });
    // 'close' before the answer is written means that the caller has disconnected: its request need not be run.
    raw.on('close', () => {
      if (!raw.writableFinished) pending.giveUp();
    });
    return pending.answer;
  }

  async #submit(prepared: PreparedInference, call: InferenceCall, { request, reply }: Exchange): Promise<void> {
    const context = requestContext(request);
    const job = await this.#options.jobs.submit(prepared, call, { context, lane: 'batch', scope: 'job' });
    reply.header('preference-applied', 'respond-async');
    sendJob(reply, toJobResource(job));
  }

  async #inferOnce(prepared: PreparedInference, call: InferenceCall, { request, reply }: Exchange): Promise<void> {
    const gone = new AbortController();
    reply.raw.on('close', () => {
      if (!reply.raw.writableFinished) gone.abort();
    });
    const context = requestContext(request);
    const deadlineMs = deadlineOf(prepared, this.#options.requestTimeoutMs);
    await sendResult(
      reply,
      await this.#options.jobs.inferOnce(prepared, call, { context, deadlineMs, signal: gone.signal }),
    );
  }
}

/** What frees the memory of a large body, whose tensors are views of it. */
function freeing(body: Uint8Array): (() => void) | undefined {
  return isFreeable(body) ? () => freeBytes(body) : undefined;
}

interface Exchange {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}
