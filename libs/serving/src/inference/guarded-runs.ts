import { SconceError, toSconceError, type ErrorCode } from '@sconce/errors';
import type { SuspectKind } from '@sconce/queue';
import { isHollow, kindOf, triedKindOf, type BatchReply, type BatchRequest } from '@sconce/runtime';
import { concatRows, sliceRows, type Tensor } from '@sconce/tensor';
import type { Logger } from '@sconce/telemetry';

/** Runs requests: the port of those who have some. */
export interface RunPort {
  submit(request: BatchRequest): Promise<BatchReply>;
  /** Runs a request again, alone, if its error may come from what ran beside it. Else it throws the error. */
  again?(request: BatchRequest, error: unknown): Promise<BatchReply>;
}

/** Where kinds of requests that ended a process are kept, for all workers. */
export interface SuspectKindStore {
  add(kind: SuspectKind): Promise<void>;
  all(): Promise<SuspectKind[]>;
}

export interface GuardedRunsOptions {
  readonly batcher: Pick<RunPort, 'submit'>;
  /** Runs requests alone, in the sacrificial process. */
  readonly alone: Pick<RunPort, 'submit'>;
  /** Default: kinds are known to this process only. */
  readonly kinds?: SuspectKindStore | undefined;
  /** The error when the files of a model were not found: the version was removed, or the store is away. Default: as it was found. */
  readonly whenGone?: ((request: BatchRequest, error: SconceError) => Promise<SconceError>) | undefined;
  /** A version ends each process that loads it. */
  readonly onUnloadable?: (model: string, version: string, why: string) => void;
  /** A request has run alone. `outcome` is `ok` or the code of its error. */
  readonly onAlone?: (model: string, outcome: ErrorCode | 'ok') => void;
  readonly logger: Logger;
}

/** A kind whose runs end processes one after the other is not run for a while. */
interface Deaths {
  count: number;
  /** The time that they took together, ms. */
  spentMs: number;
  atMs: number;
  error: SconceError;
}

/** So many deaths of a kind, with no success in between, or so many that took so long, are enough. */
const MAX_DEATHS = 8;
const MAX_LONG_DEATHS = 3;
const LONG_MS = 10_000;
/** How long a kind is then not run, ms. */
const PAUSE_MS = 30_000;
const MAX_KINDS = 1_000;
/** A kind of two owners is a suspect for all others as well. */
const ENOUGH_OWNERS = 2;

/**
 * Decides where a request runs: merged with others in a thread, or alone in the sacrificial process. It runs alone if a worker ended
 * while it had the request, or if a request of its kind and owner, or of its kind and two owners, has ended a process in the last hour.
 * The first request of each kind of an unbounded model runs alone too, and so does the first hollow request of each kind: the kind
 * is *tried* until such a run succeeds. An owner's other requests of the kind wait for that run.
 *
 * A kind is *unknown* → *suspect* (a run of it ended the sacrificial process) → *paused* (8 such runs in a row, or 3 that took 10 s together:
 * its requests get the last error without a run) → *suspect* (after 30 s, or with a run that succeeds) → *unknown* (after an hour).
 */
export class GuardedRuns implements RunPort {
  readonly #options: GuardedRunsOptions;
  /** `model/version` → kind → owners. */
  #kinds = new Map<string, Map<string, Set<string>>>();
  readonly #deaths = new Map<string, Deaths>();
  /** Tried kinds of which a request ran alone and ended well. */
  readonly #proved = new Set<string>();
  /** The runs that try a kind, by kind and owner. They never reject. */
  readonly #trials = new Map<string, Promise<void>>();

  constructor(options: GuardedRunsOptions) {
    this.#options = options;
  }

  submit(request: BatchRequest): Promise<BatchReply> {
    return this.#run(request).catch(async (thrown: unknown) => {
      const error = toSconceError(thrown);
      throw error.code === 'model_not_found' ? ((await this.#options.whenGone?.(request, error)) ?? error) : thrown;
    });
  }

  #run(request: BatchRequest): Promise<BatchReply> {
    if (request.suspect === true || this.#isSuspect(request)) return this.#alone(request);
    if (isHollow(request)) return this.#tried(request, 'hollow');
    if (request.model.unbounded === true) return this.#tried(request, 'unbounded');
    return this.#options.batcher.submit(request);
  }

  /** Runs a request in a thread if one of its kind has run alone and ended well, else alone. */
  async #tried(request: BatchRequest, because: 'hollow' | 'unbounded'): Promise<BatchReply> {
    const runs = runsOf(request);
    // Each run has a kind of its own: the first one need not keep the others from the threads until all have ended.
    if (runs.length > 1) return joined(await Promise.all(runs.map((run) => this.#run(run))));
    const kind = `${request.model.file.key} ${because} ${triedKindOf(request)}`;
    if (this.#proved.has(kind)) return this.#options.batcher.submit(request);
    const key = `${kind} ${request.owner ?? ''}`;
    const trial = this.#trials.get(key);
    if (trial !== undefined) return trial.then(() => this.#run(request));
    const reply = this.#alone(request);
    const ended = reply.then(
      () => this.#prove(kind),
      () => undefined,
    );
    this.#trials.set(
      key,
      ended.finally(() => this.#trials.delete(key)),
    );
    return reply;
  }

  #prove(kind: string): void {
    this.#proved.add(kind);
    if (this.#proved.size > MAX_KINDS) this.#proved.delete(this.#proved.keys().next().value ?? kind);
  }

  async again(request: BatchRequest, error: unknown): Promise<BatchReply> {
    // Memory may be short because of other runs, and a thread may have ended because of another run.
    const { code } = toSconceError(error);
    if (request.suspect === true || (code !== 'out_of_memory' && code !== 'thread_crashed')) throw error;
    return this.#alone(request);
  }

  /** Reads the kinds that other workers have found. */
  async refresh(): Promise<void> {
    const all = await this.#options.kinds?.all();
    if (all === undefined) return;
    this.#kinds = new Map();
    for (const kind of all) this.#learn(kind);
  }

  #isSuspect(request: BatchRequest): boolean {
    if (this.#kinds.size === 0) return false;
    const { name, version } = request.model;
    const kinds = this.#kinds.get(`${name}/${version}`);
    if (kinds === undefined) return false;
    const owners = kinds.get(kindOf(request));
    return owners !== undefined && (owners.size >= ENOUGH_OWNERS || owners.has(request.owner ?? ''));
  }

  async #alone(request: BatchRequest): Promise<BatchReply> {
    const kind = suspectKindOf(request);
    const key = JSON.stringify(kind);
    const before = this.#deaths.get(key);
    if (before !== undefined && isPaused(before)) throw refusal(before);
    const startMs = performance.now();
    try {
      const reply = await this.#options.alone.submit(request);
      this.#deaths.delete(key);
      this.#options.onAlone?.(kind.model, 'ok');
      return reply;
    } catch (thrown) {
      const error = toSconceError(thrown);
      this.#options.onAlone?.(kind.model, error.code);
      if (endedItsProcess(error)) this.#onDeath(kind, error, performance.now() - startMs);
      if (error.details.isUnloadable === true) {
        this.#options.onUnloadable?.(kind.model, kind.version, error.message);
      }
      throw error;
    }
  }

  #onDeath(kind: SuspectKind, error: SconceError, tookMs: number): void {
    const key = JSON.stringify(kind);
    const deaths = this.#deaths.get(key) ?? { count: 0, spentMs: 0, atMs: 0, error };
    deaths.count += 1;
    deaths.spentMs += tookMs;
    deaths.atMs = Date.now();
    deaths.error = error;
    // Re-insertion makes it the latest.
    this.#deaths.delete(key);
    this.#deaths.set(key, deaths);
    if (this.#deaths.size > MAX_KINDS) this.#deaths.delete(this.#deaths.keys().next().value ?? key);
    this.#learn(kind);
    const { logger, kinds } = this.#options;
    logger.warn({ err: error, ...kind }, 'a run ended its process: later requests of this kind run alone');
    kinds?.add(kind).catch((failure: unknown) => logger.error({ err: failure }, 'a kind of request was not stored'));
  }

  #learn({ model, version, kind, owner }: SuspectKind): void {
    const name = `${model}/${version}`;
    const kinds = this.#kinds.get(name) ?? new Map<string, Set<string>>();
    this.#kinds.set(name, kinds);
    kinds.set(kind, (kinds.get(kind) ?? new Set()).add(owner));
  }
}

/** The runs of a request that says how many rows each has. */
function runsOf(request: BatchRequest): BatchRequest[] {
  const { model, inputs, runRows } = request;
  const rows = inputs.find(({ name }) => model.rowInputs.has(name))?.shape[0] ?? 0;
  if (runRows === undefined || model.axis === 'none' || rows <= runRows) return [request];
  return Array.from({ length: Math.ceil(rows / runRows) }, (_, run) => {
    const [from, to] = [run * runRows, Math.min(rows, (run + 1) * runRows)];
    const part = (input: Tensor): Tensor => (model.rowInputs.has(input.name) ? sliceRows(input, from, to) : input);
    return { ...request, inputs: inputs.map(part) };
  });
}

/** The reply to a request from those to its runs. */
function joined(replies: readonly BatchReply[]): BatchReply {
  const [first] = replies;
  const outputs = (first?.outputs ?? []).map((_, i) => concatRows(replies.map((reply) => reply.outputs[i] as Tensor)));
  return { outputs, runs: replies.flatMap(({ runs }) => runs) };
}

function suspectKindOf(request: BatchRequest): SuspectKind {
  const { name: model, version } = request.model;
  return { model, version, kind: kindOf(request), owner: request.owner ?? '' };
}

/** Whether native code or a limit ended the process, or memory was refused: the same would happen in a worker. */
function endedItsProcess({ code, details }: SconceError): boolean {
  if (code === 'run_crashed' || code === 'out_of_memory') return true;
  return code === 'over_budget' && (details.budget === 'run_ms' || details.budget === 'run_memory_bytes');
}

function isPaused({ count, spentMs, atMs }: Deaths): boolean {
  const isEnough = count >= MAX_DEATHS || (count >= MAX_LONG_DEATHS && spentMs >= LONG_MS);
  return isEnough && Date.now() - atMs < PAUSE_MS;
}

function refusal({ count, error }: Deaths): SconceError {
  const text = `${error.message} The last ${count} requests of this kind ended so; this one was not run. Try again in ${PAUSE_MS / 1_000} s.`;
  return new SconceError(error.code, text, { details: error.details });
}
