import { COUNTED_WHERE_ACCEPTED, checkKeyOutputs, type RequestTiming } from '@sconce/contracts';
import { ERROR_POLICY, SconceError, toSconceError } from '@sconce/errors';
import { epochMs } from '@sconce/process/time';
import type { DeliveredRequest } from '@sconce/queue';
import type { BatchReply, BatchRequest, RunRecord } from '@sconce/runtime';
import { spanOf, traceFields, type Logger, type Telemetry } from '@sconce/telemetry';
import type { Tensor } from '@sconce/tensor';
import type { RunPort } from './guarded-runs.ts';
import { recordRequestSpans } from './request-spans.ts';
import type { RunStatistics } from './run-statistics.ts';
import type { ModelFinder } from './served-models.ts';

/** What running requests needs. */
export interface InferenceProcessorOptions {
  readonly models: ModelFinder;
  readonly runs: RunPort;
  readonly statistics: Pick<RunStatistics, 'recordRequest'>;
  readonly telemetry: Telemetry;
  readonly logger: Logger;
}

/** Runs one request: finds its model, has its rows run, and records its times in its trace and in metrics. */
export class InferenceProcessor {
  readonly #models: ModelFinder;
  readonly #runs: RunPort;
  readonly #statistics: Pick<RunStatistics, 'recordRequest'>;
  readonly #telemetry: Telemetry;
  readonly #logger: Logger;

  constructor({ models, runs, statistics, telemetry, logger }: InferenceProcessorOptions) {
    this.#models = models;
    this.#runs = runs;
    this.#statistics = statistics;
    this.#telemetry = telemetry;
    this.#logger = logger;
  }

  /** Answers the request, or throws its error. */
  async handle(delivered: DeliveredRequest): Promise<{ outputs: readonly Tensor[]; timing: RequestTiming }> {
    const { request, lane } = delivered;
    let runs: readonly RunRecord[] = [];
    let failure: SconceError | undefined;
    try {
      const model = await this.#models.find(delivered.model, delivered.version);
      const outputs = request.outputs.map((name) => {
        const spec = model.signature.outputs.find((output) => output.name === name);
        if (spec === undefined) throw new SconceError('internal', `The model has no output "${name}"`);
        return spec;
      });
      const asked: BatchRequest = {
        model,
        inputs: delivered.inputs,
        outputs,
        lane,
        owner: delivered.owner,
        signal: delivered.signal,
        label: request.trace?.traceparent,
        deadlineMs: request.deadlineMs,
        priority: request.priority,
        suspect: delivered.suspect,
      };
      let reply: BatchReply;
      try {
        reply = await this.#runs.submit(asked);
      } catch (error) {
        if (this.#runs.again === undefined) throw error;
        reply = await this.#runs.again(asked, error);
      }
      runs = reply.runs;
      checkKeyOutputs(reply.outputs, request.maxOutputBytes);
      return { outputs: reply.outputs, timing: timingOf(delivered, runs) };
    } catch (error) {
      failure = toSconceError(error);
      this.#log(delivered, failure);
      throw failure;
    } finally {
      this.#record(delivered, runs, failure);
    }
  }

  #log({ model, version, request, delivery }: DeliveredRequest, failure: SconceError): void {
    const about = { model, version, request: request.id, delivery, ...traceFields(request.trace) };
    this.#logger[ERROR_POLICY[failure.code].logLevel]({ err: failure, ...about }, 'request failed');
  }

  #record(delivered: DeliveredRequest, runs: readonly RunRecord[], failure: SconceError | undefined): void {
    const { metrics } = this.#telemetry;
    const { model, lane, request, inputs } = delivered;
    const outcome = failure?.code ?? 'ok';
    const waitSeconds = Math.max(0, delivered.takenAtMs - request.acceptedAtMs) / 1_000;
    metrics.queueWait.record(waitSeconds, { lane, model }, spanOf(request.trace));
    metrics.rows.add(inputs[0]?.shape[0] ?? 1, { lane, model, outcome });
    const timing = failure === undefined ? timingOf(delivered, runs) : undefined;
    if (!isCountedElsewhere(request, failure)) {
      const { version } = delivered;
      const about = { model, version, totalMs: Math.max(0, epochMs() - request.acceptedAtMs) };
      const end =
        timing === undefined ? { failure: failure?.code ?? 'internal' } : { timing, outputMs: outputMsOf(runs) };
      this.#statistics.recordRequest({ ...about, ...end });
    }
    for (const run of runs) metrics.batchWait.record((run.runStartMs - run.submittedAtMs) / 1_000, { model });
    if (request.trace !== undefined) recordRequestSpans(this.#telemetry.tracer, { delivered, runs, failure });
  }
}

/** Whether the process that accepted the request counts it: as one that came to no answer in time, or had no room. */
function isCountedElsewhere(
  { durable, deadlineMs }: DeliveredRequest['request'],
  failure: SconceError | undefined,
): boolean {
  if (durable) return false;
  return failure === undefined
    ? deadlineMs !== undefined && epochMs() > deadlineMs
    : COUNTED_WHERE_ACCEPTED.has(failure.code);
}

/** From the end of each run until its outputs were there. */
function outputMsOf(runs: readonly RunRecord[]): number {
  return runs.reduce((sum, { answeredAtMs, runEndMs }) => sum + Math.max(0, answeredAtMs - runEndMs), 0);
}

function timingOf(delivered: DeliveredRequest, runs: readonly RunRecord[]): RequestTiming {
  const last = runs.at(-1);
  const runMs = runs.reduce((sum, run) => sum + (run.runEndMs - run.runStartMs), 0);
  const startMs = Math.min(...runs.map((run) => run.runStartMs));
  return {
    queueMs: round(Math.max(0, delivered.takenAtMs - delivered.request.acceptedAtMs)),
    batchMs: round(Math.max(0, startMs - delivered.takenAtMs)),
    runMs: round(runMs),
    batchRows: last?.batchRows ?? 0,
    ...(last === undefined ? {} : { answeredAtMs: last.answeredAtMs }),
  };
}

function round(ms: number): number {
  return Number.isFinite(ms) ? Math.round(ms * 1_000) / 1_000 : 0;
}
