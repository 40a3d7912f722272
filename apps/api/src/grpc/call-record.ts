import { status, type Metadata } from '@grpc/grpc-js';
import type { RequestBudget } from '@sconce/contracts';
import { ERROR_POLICY } from '@sconce/errors';
import { MAX_UNUSED } from '@sconce/tensor';
import { endSpan, SpanKind, traceFields, type RequestTrace } from '@sconce/telemetry';
import { budgetOf, ownerOfUse, secretFrom, type KeyUse } from '../access/access.ts';
import { unusedWarning } from '../http/warning.ts';
import type { Hold } from '../http/held-bytes.ts';
import type { GrpcServices } from './grpc-services.ts';
import { failedCall, statusName } from './grpc-status.ts';
import type { GrpcMethod } from './methods.ts';

/** The first text of a key of the metadata. */
export function textOf(metadata: Metadata, key: string): string | undefined {
  const [value] = metadata.get(key);
  return typeof value === 'string' ? value : undefined;
}

/** The secret of the caller's key. */
export function secretOf(metadata: Metadata): string | undefined {
  return secretFrom(textOf(metadata, 'authorization'), textOf(metadata, 'x-api-key'));
}

/**
 * One call: its key, its span and its measurement, by the conventions of OpenTelemetry for RPC.
 *
 * States: *begun* → *admitted* (`admit`) → *ended* (`end` or `fail`, once; later calls do nothing).
 */
export class CallRecord {
  /** Undefined for health. */
  readonly trace: RequestTrace | undefined;
  readonly #services: GrpcServices;
  readonly #method: GrpcMethod;
  readonly #secret: string | undefined;
  readonly #startedAtMs = performance.now();
  #use: KeyUse | undefined;
  #model = '';
  #target = '';
  #hasEnded = false;
  #hold: Hold | undefined;
  #isReleased = false;
  #unused: Set<string> | undefined;

  constructor(services: GrpcServices, method: GrpcMethod, metadata: Metadata) {
    this.#services = services;
    this.#method = method;
    this.#secret = services.access.hasKeys ? secretOf(metadata) : undefined;
    if (!method.isTraced) return;
    const [traceparent, tracestate] = [textOf(metadata, 'traceparent'), textOf(metadata, 'tracestate')];
    const headers = { traceparent, tracestate };
    this.trace = services.telemetry.requestTracer.begin({ method: method.httpMethod, headers }, () => ({
      name: method.name,
      kind: SpanKind.SERVER,
      attributes: { 'rpc.system.name': 'grpc', 'rpc.method': method.name },
    }));
  }

  /** Whose request it is. */
  get owner(): string | undefined {
    return ownerOfUse(this.#use);
  }

  get keyBudget(): RequestBudget | undefined {
    return budgetOf(this.#use);
  }

  /** What the call holds. Undefined for the usual call, which holds little. */
  get hold(): Hold | undefined {
    return this.#hold;
  }

  /** The call holds so many bytes until `releaseBytes`. @throws SconceError as `Hold.set` does. */
  holdBytes(bytes: number): void {
    if (this.#isReleased) return;
    this.#hold ??= this.#services.held.begin(this.owner);
    this.#hold.set(bytes);
  }

  /** Its answer has been sent, or its caller has gone. */
  releaseBytes(): void {
    this.#isReleased = true;
    this.#hold?.end();
  }

  /** The trace if its spans are recorded. */
  get recorded(): RequestTrace | undefined {
    return this.trace?.span === undefined ? undefined : this.trace;
  }

  /** Since the call began. */
  get elapsedMs(): number {
    return performance.now() - this.#startedAtMs;
  }

  /** Checks the key of the caller. @throws SconceError `unauthenticated`, `forbidden`, `rate_limited`. */
  admit(): void {
    this.#use = this.#services.access.admit(this.#method.need, this.#secret);
    if (this.#use?.refusal !== undefined) throw this.#use.refusal;
  }

  /** As `admit`, for a stream, whose requests are counted one by one. */
  admitUncounted(): void {
    this.admit();
    this.#services.access.release(this.#use);
    if (this.#use !== undefined) this.#use = { ...this.#use, counted: false };
  }

  /** Sets the model in the span and in the metrics. Only for models that exist, because labels must be bounded. */
  nameModel(model: string): void {
    this.#model = model;
    this.trace?.span?.setAttribute('sconce.model', model);
  }

  /** Names parts of the request that nothing uses. */
  nameUnused(names: Iterable<string>): void {
    this.#unused ??= new Set();
    for (const name of names) if (this.#unused.size <= MAX_UNUSED) this.#unused.add(name);
  }

  /** The parts that were named. */
  get unused(): ReadonlySet<string> | undefined {
    return this.#unused;
  }

  /** The trailer `warning`; undefined if everything is used. */
  get warning(): string | undefined {
    return this.#unused && unusedWarning('request', [...this.#unused]);
  }

  /** What the call changes, for the audit line. */
  nameTarget(target: string): void {
    this.#target = target;
  }

  /** Ends a call that failed. Logs the error, and returns the answer. */
  fail(thrown: unknown): ReturnType<typeof failedCall> {
    const failed = failedCall(thrown);
    if (!this.#hasEnded) {
      const { logLevel } = ERROR_POLICY[failed.error.code];
      const about = { method: this.#method.name, ...this.#traceFields() };
      this.#services.logger[logLevel]({ err: failed.error, ...about }, 'request failed');
    }
    this.end(failed.code);
    return failed;
  }

  end(code: status = status.OK): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const { access, telemetry } = this.#services;
    if (this.#method.need === 'models') {
      const target = `${this.#method.name} ${this.#target}`.trimEnd();
      access.audit({ act: 'gRPC', target, status: code, trace: this.#traceFields() }, this.#use);
    }
    access.release(this.#use);
    if (this.trace === undefined) return;
    const name = statusName(code);
    const { span } = this.trace;
    if (span !== undefined) {
      span.setAttribute('rpc.response.status_code', name);
      if (isServerFault(code)) span.setStatus({ code: 2 }).setAttribute('error.type', name);
      endSpan(span);
    }
    const labels = {
      rpc_system_name: 'grpc',
      rpc_method: this.#method.name,
      rpc_response_status_code: name,
      error_type: isServerFault(code) ? name : '',
      model: this.#model,
    };
    const seconds = (performance.now() - this.#startedAtMs) / 1_000;
    telemetry.metrics.rpcDuration.record(seconds, labels, span?.spanContext());
  }

  #traceFields(): ReturnType<typeof traceFields> | object {
    return this.trace === undefined ? {} : traceFields(this.trace.context);
  }
}

const SERVER_FAULTS: ReadonlySet<status> = new Set([
  status.UNKNOWN,
  status.DEADLINE_EXCEEDED,
  status.UNIMPLEMENTED,
  status.INTERNAL,
  status.UNAVAILABLE,
  status.DATA_LOSS,
]);

/** Whether a status counts as an error of the server, by OpenTelemetry's conventions. */
function isServerFault(code: status): boolean {
  return SERVER_FAULTS.has(code);
}
