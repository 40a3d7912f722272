import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { checkKeyOutputs, type Lane } from '@sconce/contracts';
import type { ModelDirectory, ResolvedModel } from '@sconce/models';
import type {
  AnswerListener,
  InferenceAnswer,
  InferencePort,
  InferenceRequest,
  JobRecord,
  PendingRequest,
} from '@sconce/queue';
import type { Context, Logger, RequestTrace, Telemetry } from '@sconce/telemetry';
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
        route.answer({ request, reply });
      },
    });
  }
}

type InferHttpRequest = FastifyRequest<{ Params: ModelParams }>;

interface Exchange {
  readonly request: InferHttpRequest;
  readonly reply: FastifyReply;
}

/**
 * Answers infer requests. The usual one goes without a promise: a model that memory has, a small body, a trace that is not recorded. What
 * lives as long as a request has no answer is copied by the garbage collector again and again, so it is little (ADR 28).
 */
class InferRoute {
  readonly #options: InferRouteOptions;

  constructor(options: InferRouteOptions) {
    this.#options = options;
  }

  answer(exchange: Exchange): void {
    this.#attempt(exchange, () => {
      const call = readInferenceCall(exchange.request);
      const prepared = this.#prepare(call, exchange.request.params);
      return prepared instanceof Promise
        ? prepared.then((own) => this.#answerPrepared(own, call, exchange))
        : this.#answerPrepared(prepared, call, exchange);
    });
  }

  /** Answers with the error of what it calls. */
  #attempt(exchange: Exchange, act: () => void | Promise<void>): void {
    const fail = (thrown: unknown): void => this.#fail(exchange, thrown);
    try {
      act()?.catch(fail);
    } catch (thrown) {
      fail(thrown);
    }
  }

  /**
   * Answers with an error, after the event loop has read what has come. Clients that are refused and send again at once would be read again
   * and again in the same turn otherwise, and nothing else would go on.
   */
  #fail({ request, reply }: Exchange, thrown: unknown): void {
    setImmediate(() => answerError({ request, reply, thrown }, this.#options.logger));
  }

  /** Resolves the model and decodes the request. If that fails, the memory of the body is freed. */
  #prepare(call: InferenceCall, { model, version }: ModelParams): PreparedInference | Promise<PreparedInference> {
    const { directory } = this.#options;
    const fail = (error: unknown): never => {
      freeBytes(call.body);
      throw error;
    };
    try {
      const resolved = directory.fresh(model, version);
      const prepared =
        resolved === undefined
          ? directory.resolve(model, version).then((own) => this.#decode(own, call))
          : this.#decode(resolved, call);
      return prepared instanceof Promise ? prepared.catch(fail) : prepared;
    } catch (error) {
      return fail(error);
    }
  }

  /** A promise for large bodies alone. */
  #decode(resolved: ResolvedModel, call: InferenceCall): PreparedInference | Promise<PreparedInference> {
    const manifest = requireServed(resolved);
    const decoded = this.#options.decoder.decode(call, manifest);
    return decoded instanceof Promise
      ? decoded.then((own) => prepareInference(manifest, own))
      : prepareInference(manifest, decoded);
  }

  #answerPrepared(prepared: PreparedInference, call: InferenceCall, exchange: Exchange): void | Promise<void> {
    const { request, reply } = exchange;
    nameModel(request, prepared.manifest.name);
    if (prefersAsync(request)) return this.#submit(prepared, call, exchange);
    if (call.idempotencyKey !== undefined) return this.#inferOnce(prepared, call, exchange);
    const recorded = recordedTrace(request);
    if (recorded !== undefined) return this.#inferTraced(recorded, { prepared, call, exchange });
    // The tensors of JSON are no views of it.
    if (call.headerLength === undefined) request.body = undefined;
    const outputBytes = call.keyBudget?.output_bytes;
    this.#begin({ prepared, call, reply }, undefined, {
      onAnswer: (answer) =>
        this.#attempt(exchange, () => {
          checkKeyOutputs(answer.outputs, outputBytes);
          return send(reply, prepared, answer);
        }),
      onError: (thrown) => this.#fail(exchange, thrown),
    });
    return undefined;
  }

  async #inferTraced(
    recorded: RequestTrace,
    { prepared, call, exchange }: { prepared: PreparedInference; call: InferenceCall; exchange: Exchange },
  ): Promise<void> {
    const { request, reply } = exchange;
    const { answer, receivedAtMs } = await tracedInference(
      this.#options.telemetry.tracer,
      recorded,
      (trace) =>
        new Promise((onAnswer, onError) => {
          this.#begin({ prepared, call, reply }, trace, { onAnswer, onError });
        }),
    );
    markEncoding(request, receivedAtMs);
    checkKeyOutputs(answer.outputs, call.keyBudget?.output_bytes);
    await send(reply, prepared, answer);
  }

  /** Hands the request to what runs it, and gives it up when the caller has gone. */
  #begin(
    { prepared, call, reply }: { prepared: PreparedInference; call: InferenceCall; reply: FastifyReply },
    trace: InferenceRequest['trace'],
    listener: AnswerListener,
  ): void {
    const { port, requestTimeoutMs } = this.#options;
    const { owner, body } = call;
    const deadlineMs = deadlineOf(prepared, requestTimeoutMs);
    const request = queueRequest(prepared, { owner, trace });
    giveUpWhenGone(reply, port.begin(request, { deadlineMs, onInputsUnused: freeing(body) }, listener));
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

/** Gives the request up when the caller has gone: 'close' before the answer is written means that the caller has disconnected. */
function giveUpWhenGone({ raw }: FastifyReply, pending: PendingRequest): void {
  raw.on('close', () => {
    if (!raw.writableFinished) pending.giveUp();
  });
}

/** Encodes an answer and sends it. A promise for large answers alone. */
function send(reply: FastifyReply, prepared: PreparedInference, answer: InferenceAnswer): void | Promise<void> {
  const { timing } = answer;
  const response = encodeAnswer(prepared, answer.outputs);
  return response instanceof Promise
    ? response.then((own) => sendResult(reply, { response: own, timing }))
    : sendResult(reply, { response, timing });
}
