import type { AnswerListener, PendingRequest } from '../producers/inference-port.ts';
import type { InferenceRequest } from '../producers/inference-request.ts';
import type { Admitted } from '../producers/request-admission.ts';
import type { MemoryUse } from './memory-use.ts';
import type { RespPieces } from './resp-client.ts';
import type { WaitingLine } from './waiting-line.ts';

/** An entry of the stream with requests that have no answer yet. */
export interface SentEntry {
  readonly number: number;
  readonly pool: string;
  readonly line: WaitingLine;
  readonly frame: RespPieces;
  /** Requests without an answer. */
  open: number;
  /** Whether Redis has confirmed the entry. */
  isAdded: boolean;
  /** Use of the inputs: by the requests without an answer, and by each write of the frame to which Redis has not replied. */
  readonly inputs: MemoryUse;
}

/** What a request is made of. */
type Given = Omit<OutstandingRequest, 'entry' | 'giveUp'>;

/**
 * A request whose caller waits. Thousands of them may live for many garbage collections, so it is one object and has no functions of its
 * own.
 */
export class OutstandingRequest implements PendingRequest {
  readonly number: number;
  readonly request: InferenceRequest;
  readonly line: WaitingLine;
  readonly admitted: Admitted;
  /** Epoch ms. */
  readonly acceptedAtMs: number;
  readonly deadlineMs: number;
  readonly listener: AnswerListener;
  readonly onInputsUnused: (() => void) | undefined;
  /** Called when it has ended. */
  readonly endUse: () => void;
  readonly onGivenUp: (outstanding: OutstandingRequest) => void;
  /** The entry that it is in, once it has left its line. */
  entry: SentEntry | undefined = undefined;

  constructor(given: Given) {
    this.number = given.number;
    this.request = given.request;
    this.line = given.line;
    this.admitted = given.admitted;
    this.acceptedAtMs = given.acceptedAtMs;
    this.deadlineMs = given.deadlineMs;
    this.listener = given.listener;
    this.onInputsUnused = given.onInputsUnused;
    this.endUse = given.endUse;
    this.onGivenUp = given.onGivenUp;
  }

  giveUp(): void {
    this.onGivenUp(this);
  }
}
