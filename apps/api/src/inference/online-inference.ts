import { COUNTED_WHERE_ACCEPTED, checkKeyOutputs } from '@sconce/contracts';
import type { ModelDirectory, ResolvedModel } from '@sconce/models';
import { toSconceError } from '@sconce/errors';
import type {
  AnswerListener,
  CountedRequest,
  InferenceAnswer,
  InferencePort,
  InferenceRequest,
  PendingRequest,
} from '@sconce/queue';
import type { RequestTrace, Telemetry } from '@sconce/telemetry';
import { freeBytes, isFreeable } from '@sconce/process/memory';
import { requireServed } from '../models/served-model.ts';
import type { OnlineCall } from './inference-call.ts';
import { deadlineOf, prepareInference, queueRequest, type PreparedInference } from './prepared-inference.ts';
import type { RequestDecoder } from './request-decoder.ts';
import { tracedInference, type TracedAnswer } from './traced-inference.ts';

export interface OnlineInferenceOptions {
  readonly directory: Pick<ModelDirectory, 'fresh' | 'resolve'>;
  readonly decoder: RequestDecoder;
  readonly port: InferencePort;
  readonly telemetry: Pick<Telemetry, 'tracer'>;
  /** Longest time that a caller waits, ms. */
  readonly requestTimeoutMs: number;
  /** Counts requests that ended without a worker. */
  readonly totals: { recordRequest(request: CountedRequest): void };
}

/** The model that a request names. */
export interface NamedModel {
  readonly model: string;
  readonly version?: string | undefined;
}

/** A request that is ready to run, and the call that it came with. */
export interface PreparedCall {
  readonly prepared: PreparedInference;
  readonly call: OnlineCall;
}

/**
 * Requests whose callers wait, the same for HTTP and gRPC: the checks, the budgets, the deadline and the trace. The usual request goes
 * without a promise: a model that memory has, a small body, a trace that is not recorded (ADR 28).
 */
export class OnlineInference {
  readonly #options: OnlineInferenceOptions;

  constructor(options: OnlineInferenceOptions) {
    this.#options = options;
  }

  /** Resolves the model and decodes the request. If that fails, the memory of the body is freed. */
  prepare(call: OnlineCall, { model, version }: NamedModel): PreparedInference | Promise<PreparedInference> {
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
  #decode(resolved: ResolvedModel, call: OnlineCall): PreparedInference | Promise<PreparedInference> {
    const manifest = requireServed(resolved);
    const decoded = this.#options.decoder.decode(call, manifest);
    return decoded instanceof Promise
      ? decoded.then((own) => prepareInference(manifest, own))
      : prepareInference(manifest, decoded);
  }

  /** Hands the request to what runs it. To be given up when the caller has gone. @throws SconceError for a wrong parameter. */
  begin({ prepared, call }: PreparedCall, trace: InferenceRequest['trace'], listener: AnswerListener): PendingRequest {
    const { port, requestTimeoutMs } = this.#options;
    const { owner, maxWaitMs = requestTimeoutMs } = call;
    const deadlineMs = deadlineOf(prepared, Math.min(maxWaitMs, requestTimeoutMs));
    const request = queueRequest(prepared, { owner, trace });
    return port.begin(request, { deadlineMs, onInputsUnused: freeing(call, request.inputs) }, listener);
  }

  /** As `begin`, for a request whose trace is recorded. `onBegun` gets what gives it up. */
  traced(
    given: PreparedCall,
    recorded: RequestTrace,
    onBegun: (pending: PendingRequest) => void,
  ): Promise<TracedAnswer> {
    const beganAtMs = performance.now();
    return tracedInference(this.#options.telemetry.tracer, recorded, (trace) =>
      new Promise<InferenceAnswer>((onAnswer, onError) =>
        onBegun(this.begin(given, trace, { onAnswer, onError })),
      ).catch((error: unknown) => {
        this.countFailure(given.prepared, error, performance.now() - beganAtMs);
        throw error;
      }),
    );
  }

  /** Counts a request that `begin` has ended with an error, if no worker does. `traced` does so itself. */
  countFailure({ manifest }: PreparedInference, thrown: unknown, totalMs: number): void {
    const { code: failure } = toSconceError(thrown);
    if (!COUNTED_WHERE_ACCEPTED.has(failure)) return;
    this.#options.totals.recordRequest({ model: manifest.name, version: manifest.version, totalMs, failure });
  }

  /** @throws SconceError `over_budget` if the answer is larger than the key of the caller allows. */
  checkAnswer({ outputs }: InferenceAnswer, keyBudget: OnlineCall['keyBudget']): void {
    checkKeyOutputs(outputs, keyBudget?.output_bytes);
  }
}

/** What frees the memory of the inputs of a large body. They are views of it, but those of JSON, whose body is freed at once. */
function freeing(
  { body, headerLength, message }: OnlineCall,
  inputs: InferenceRequest['inputs'],
): (() => void) | undefined {
  if (!isFreeable(body)) return undefined;
  if (headerLength !== undefined || message !== undefined) return () => freeBytes(body);
  freeBytes(body);
  return () => {
    for (const { data } of inputs) freeBytes(data);
  };
}
