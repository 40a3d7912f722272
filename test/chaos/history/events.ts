import type { FaultKind } from './allowances.ts';
import type { ModelName } from './models.ts';

/** What a client does in one call of the API. */
export const OP_KINDS = [
  'health',
  'infer',
  'job.submit',
  'job.read',
  'job.result',
  'job.cancel',
  // The submission of a job that was removed comes again, with its Idempotency-Key.
  'job.again',
  'batch.submit',
  'batch.read',
  'batch.errors',
  'batch.output',
  'batch.cancel',
  'version.push',
  'version.read',
  'version.delete',
  'peek',
] as const;

export type OpKind = (typeof OP_KINDS)[number];

/** How a call ended: an HTTP status; or the connection was refused or lost; or the client gave up. */
export type Outcome = number | 'unreachable' | 'gave up';

/** Flat tensors, in the order of the signature. */
export type Tensors = readonly (readonly number[])[];

/** A client calls the API. `at` is in ms since the beginning of the history, in all events. */
export interface InvokeEvent {
  readonly type: 'invoke';
  readonly op: string;
  readonly at: number;
  readonly kind: OpKind;
  readonly owner: string;
  /** Name of what the call is about: the same for all calls about one job, batch or version. */
  readonly thing?: string;
  readonly model?: ModelName;
  readonly inputs?: Tensors;
  /** Rows of a batch that cannot be read, from 0. */
  readonly badRows?: readonly number[];
  /** The server has to answer within this time. */
  readonly timeoutMs?: number;
  /** The input is poison of this name. */
  readonly poison?: string;
}

/** The call of an `invoke` event ended. */
export interface AnswerEvent {
  readonly type: 'answer';
  readonly op: string;
  readonly at: number;
  readonly outcome: Outcome;
  /** The beginning of the error's message. */
  readonly message?: string;
  /** Id that the server gave. */
  readonly id?: string;
  /** State of a job, batch or version. */
  readonly state?: string;
  /** Code of the error of a job, batch or version that failed. */
  readonly code?: string;
  /** The version that answered. */
  readonly version?: number;
  readonly outputs?: Tensors;
  /** Ids of the rows of a batch's results, and of its error file, in the order of the files. */
  readonly rows?: readonly number[];
  readonly failedRows?: readonly number[];
}

/** A fault begins or ends; or the machine cannot make it. It ends when what it stopped works again. */
export interface FaultEvent {
  readonly type: 'fault';
  readonly fault: string;
  readonly kind: FaultKind;
  readonly phase: 'begin' | 'end' | 'skipped';
  readonly at: number;
  /** The process, if the fault is of one process. */
  readonly process?: string;
}

export interface ProcessEvent {
  readonly type: 'process';
  readonly process: string;
  readonly pid: number;
  readonly at: number;
  readonly phase: 'ready' | 'exit';
  readonly code?: number | null;
  readonly signal?: string | null;
}

/** Memory of a process. */
export interface SampleEvent {
  readonly type: 'sample';
  readonly process: string;
  readonly pid: number;
  readonly at: number;
  readonly rssBytes: number;
}

/** What is left in a queue or in its set of failed jobs when all work has ended. */
export interface LeftEvent {
  readonly type: 'left';
  readonly at: number;
  readonly where: string;
  readonly count: number;
}

/** The clients have stopped: nothing is called after this. */
export interface EndEvent {
  readonly type: 'end';
  readonly at: number;
}

export type HistoryEvent = InvokeEvent | AnswerEvent | FaultEvent | ProcessEvent | SampleEvent | LeftEvent | EndEvent;
