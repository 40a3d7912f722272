import { setTimeout as delay } from 'node:timers/promises';
import type { AnswerEvent, InvokeEvent } from '../events.ts';
import { isSuccess } from '../history.ts';
import type { Recorder } from '../recorder.ts';
import { secretOf } from '../system/secrets.ts';
import { httpCall, type HttpAnswer, type HttpRequest } from './http-call.ts';

/** What a call is about, for the history. */
export type CallInfo = Omit<InvokeEvent, 'type' | 'op' | 'at'>;

/** A call: where it goes, and what the client takes out of a good answer. */
export interface Call extends Omit<HttpRequest, 'giveUpMs'> {
  readonly path: string;
  readonly read?: (answer: HttpAnswer) => Partial<AnswerEvent>;
}

export interface CallerOptions {
  readonly url: string;
  readonly recorder: Recorder;
  /** Clients give up a call after this time. */
  readonly giveUpMs: number;
  /** Aborted when clients have to stop waiting for what has not ended. */
  readonly signal: AbortSignal;
}

const MAX_MESSAGE = 200;

/** Calls the API and writes each call and its answer into the history. */
export class Caller {
  readonly signal: AbortSignal;
  readonly #options: CallerOptions;
  /** Reads that are repeated when everything has ended: what has ended must be as it was. */
  readonly #rereads: (() => Promise<unknown>)[] = [];

  constructor(options: CallerOptions) {
    this.#options = options;
    this.signal = options.signal;
  }

  /** One call. It never throws; the answer has the outcome. */
  async call(info: CallInfo, { path, read, headers, ...request }: Call): Promise<AnswerEvent> {
    const { url, recorder, giveUpMs } = this.#options;
    const op = recorder.nextOp();
    recorder.add({ type: 'invoke', op, ...info });
    const http = await httpCall(`${url}${path}`, {
      ...request,
      headers: { 'x-api-key': secretOf(info.owner), ...headers },
      giveUpMs,
    });
    const answer = { type: 'answer', op, at: recorder.now(), outcome: http.outcome } as const;
    const good = isSuccess(answer);
    const more = good ? readSafely(http, read) : { message: http.text().slice(0, MAX_MESSAGE) };
    recorder.add({ ...answer, ...more });
    return { ...answer, ...more };
  }

  /** Repeats a call until it succeeds, or `stop` says that its answer will not change; undefined when the clients stop. */
  async until(
    act: () => Promise<AnswerEvent>,
    { everyMs, stop }: { readonly everyMs: number; readonly stop: (answer: AnswerEvent) => boolean },
  ): Promise<AnswerEvent | undefined> {
    while (!this.signal.aborted) {
      const answer = await act();
      if (stop(answer)) return answer;
      await delay(everyMs);
    }
    return undefined;
  }

  readAgainAtTheEnd(read: () => Promise<unknown>): void {
    this.#rereads.push(read);
  }

  async readAllAgain(): Promise<void> {
    for (const read of this.#rereads) await read();
  }
}

function readSafely(http: HttpAnswer, read: Call['read']): Partial<AnswerEvent> {
  try {
    return read?.(http) ?? {};
  } catch (error) {
    return { outcome: 'unreachable', message: `the answer cannot be read: ${String(error)}`.slice(0, MAX_MESSAGE) };
  }
}

/** Whether the same call may succeed later. */
export function mayRetry({ outcome }: AnswerEvent): boolean {
  return typeof outcome === 'string' || outcome === 429 || outcome >= 500;
}
