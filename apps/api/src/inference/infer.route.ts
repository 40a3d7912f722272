import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Lane } from '@sconce/contracts';
import type { InferenceAnswer, JobRecord, PendingRequest } from '@sconce/queue';
import type { Context, Logger, RequestTrace } from '@sconce/telemetry';
import { TENSOR_BODY } from '../http/body-parser.ts';
import { answerError } from '../http/error-answer.ts';
import { HELD_FROM_BYTES } from '../http/held-bytes.ts';
import { holdBytes, holdOf, onceWritten } from '../http/request-hold.ts';
import { markEncoding, nameModel, recordedTrace, requestContext } from '../http/request-trace.ts';
import { unusedWarning, warn } from '../http/warning.ts';
import { sendJob, toJobResource } from '../jobs/job-resource.ts';
import { expectedAnswerBytes, freeAnswer, learnAnswerBytes, tensorBytes } from './answer-bytes.ts';
import { prefersAsync, readInferenceCall, type InferenceCall } from './inference-call.ts';
import { OnlineInference, type OnlineInferenceOptions } from './online-inference.ts';
import { deadlineOf, encodeAnswer, type InferenceResult, type PreparedInference } from './prepared-inference.ts';
import { holdResult } from './stored-result.ts';
import { sendResult } from './send-response.ts';

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

export interface InferRouteOptions extends OnlineInferenceOptions {
  readonly jobs: JobInference;
  readonly logger: Logger;
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
  readonly #inference: OnlineInference;

  constructor(options: InferRouteOptions) {
    this.#options = options;
    this.#inference = new OnlineInference(options);
  }

  answer(exchange: Exchange): void {
    this.#attempt(exchange, () => {
      const call = readInferenceCall(exchange.request);
      const prepared = this.#inference.prepare(call, exchange.request.params);
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

  #answerPrepared(prepared: PreparedInference, call: InferenceCall, exchange: Exchange): void | Promise<void> {
    const { request, reply } = exchange;
    nameModel(request, prepared.manifest.name);
    const { unused } = prepared.request;
    if (unused !== undefined) warn(reply, unusedWarning('request', unused));
    if (prefersAsync(request)) return this.#submit(prepared, call, exchange);
    if (call.idempotencyKey !== undefined) return this.#inferOnce(prepared, call, exchange);
    const recorded = recordedTrace(request);
    holdExpected(prepared, request);
    if (recorded !== undefined) return this.#inferTraced(recorded, { prepared, call, exchange });
    // The tensors of JSON are no views of it.
    if (call.headerLength === undefined) request.body = undefined;
    // Not the call itself, which has the body.
    const { keyBudget } = call;
    const pending = this.#inference.begin({ prepared, call }, undefined, {
      onAnswer: (answer) =>
        this.#attempt(exchange, () => {
          this.#inference.checkAnswer(answer, keyBudget);
          holdAnswer(prepared, answer, exchange);
          return send(reply, prepared, answer);
        }),
      onError: (thrown) => {
        this.#inference.countFailure(prepared, thrown, reply.elapsedTime);
        this.#fail(exchange, thrown);
      },
    });
    giveUpWhenGone(reply, pending);
    return undefined;
  }

  async #inferTraced(
    recorded: RequestTrace,
    { prepared, call, exchange }: { prepared: PreparedInference; call: InferenceCall; exchange: Exchange },
  ): Promise<void> {
    const { request, reply } = exchange;
    const { answer, receivedAtMs } = await this.#inference.traced({ prepared, call }, recorded, (pending) =>
      giveUpWhenGone(reply, pending),
    );
    markEncoding(request, receivedAtMs);
    this.#inference.checkAnswer(answer, call.keyBudget);
    holdAnswer(prepared, answer, exchange);
    await send(reply, prepared, answer);
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
    const result = await this.#options.jobs.inferOnce(prepared, call, { context, deadlineMs, signal: gone.signal });
    holdResult(request, result);
    await sendResult(reply, result);
  }
}

/** Holds the bytes of the inputs and, as far as they are known, of the answer. @throws SconceError as `Hold.set` does. */
function holdExpected(prepared: PreparedInference, request: FastifyRequest): void {
  const expected = expectedAnswerBytes(prepared);
  if (expected < HELD_FROM_BYTES && holdOf(request) === undefined) return;
  holdBytes(request, tensorBytes(prepared.request.inputs) + expected);
}

/** Holds the bytes of the answer until it is written, and then frees its memory. @throws SconceError as `Hold.set` does. */
function holdAnswer({ manifest }: PreparedInference, answer: InferenceAnswer, { request, reply }: Exchange): void {
  const bytes = learnAnswerBytes(manifest, answer.outputs);
  if (bytes < HELD_FROM_BYTES) {
    holdOf(request)?.end();
    return;
  }
  try {
    holdBytes(request, bytes);
  } catch (error) {
    freeAnswer(answer);
    throw error;
  }
  onceWritten(reply.raw, () => freeAnswer(answer));
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
