import { BroadcastChannel } from 'node:worker_threads';
import { Piscina, queueOptionsSymbol } from 'piscina';
import type { BudgetLimit } from '@sconce/contracts';
import { SconceError, deserializeError, isRunFailure } from '@sconce/errors';
import type { ModelSignature, Tensor } from '@sconce/tensor';
import { outputsOverBudget } from './output-budget.ts';
import type { RuntimeConfig } from './runtime-config.ts';
import { disableRuntimeTelemetry } from './runtime-telemetry.ts';
import { RunWatch, type AbandonedThread, type HungRun } from './run-watch.ts';
import { copyOut, fill, layOut } from './run-layout.ts';
import { SharedArena } from './shared-arena.ts';
import { ThreadPlacement, leastBusy, type PlacementThread } from './thread-placement.ts';
import type {
  FileDigest,
  ModelFile,
  ThreadNotice,
  ThreadOptions,
  ThreadReply,
  ThreadTask,
  ThreadTiming,
} from './thread-protocol.ts';

/** A run that comes with the loading of its model is overdue so much later, ms. */
const LOADING_MS = 2_000;

/** Longest time between two checks for hung runs. */
const MAX_CHECK_MS = 125;

/** Files that are remembered as verified. */
const MAX_VERIFIED = 4096;
/** V8's young generation in each thread. Without a limit it grows to 32 MB. */
const YOUNG_GENERATION_MB = 6;

/** One session call. Its parts, each a full set of inputs in the same order, are joined along axis 0. */
export interface RunCall {
  readonly file: ModelFile;
  /** At least one part. The parts agree in their inputs' names, datatypes and inner shapes, and in the data of inputs without rows. */
  readonly parts: readonly (readonly Tensor[])[];
  /** The wanted outputs, as the model's signature describes them. */
  readonly outputs: readonly ModelSignature['outputs'][number][];
  /**
   * Set if axis 0 of every output is the run's rows: which inputs carry rows, and how many rows the run has. The last row of the parts
   * is repeated up to that number. Such outputs are written to shared memory. Without it there is only one part.
   */
  readonly rows?: { readonly inputs: ReadonlySet<string>; readonly count: number };
  /** How long the run is expected to take, ms. Default 0: not known. */
  readonly expectedMs?: number;
  /** Most bytes of all outputs together. */
  readonly maxOutput?: BudgetLimit | undefined;
  /** A run that takes longer is overdue, ms. Default: none is. */
  readonly overdueMs?: number | undefined;
  /** Asked from time to time while the run is overdue. True: nobody waits for the run any more, and other runs wait for its thread. */
  readonly onOverdue?: (() => boolean) | undefined;
}

export interface RunResult {
  /** In the order of the call. The data belongs to the caller. */
  readonly outputs: readonly Tensor[];
  readonly timing: ThreadTiming;
}

/**
 * The threads that hold models, and the shared memory between them and this event loop.
 *
 * States: *open* (constructor) → *closing* (`close`: refuses new calls, waits for calls in flight) → *closed*. A thread is
 * never ended while it may be inside native code: that aborts the process (measured).
 *
 * A thread whose run is overdue and abandoned is *stuck*: it gets no more calls, another thread takes its place, and calls that waited in it
 * run elsewhere. It is not stuck any more when the run ends. There are at most as many stuck threads as there are threads.
 */
export class InferencePool {
  /** Session calls that can run at the same time. */
  readonly threads: number;
  /** Session calls in flight that keep every thread busy: one runs in each thread, the next ones wait inside it. */
  readonly capacity: number;
  readonly #piscina: Piscina<ThreadTask, ThreadReply>;
  readonly #arena: SharedArena;
  readonly #notices: BroadcastChannel;
  readonly #running = new Set<Promise<unknown>>();
  readonly #placement = new ThreadPlacement();
  readonly #verified = new Set<string>();
  readonly #verifying = new Map<string, Promise<unknown>>();
  readonly #watch: RunWatch;
  readonly #watchTimer: NodeJS.Timeout;
  readonly #stuck = new Set<number>();
  readonly #hung = Promise.withResolvers<HungRun>();
  #closing: Promise<void> | undefined;

  constructor(config: RuntimeConfig) {
    disableRuntimeTelemetry();
    const noticeChannel = `sconce-runtime-${crypto.randomUUID()}`;
    const options: ThreadOptions = {
      noticeChannel,
      intraOpThreads: config.intraOpThreads ?? 1,
      maxModels: config.maxModelsPerThread,
      maxModelBytes: config.maxModelBytesPerThread,
      modelBudgetFrom: config.modelBudgetFrom,
    };
    this.threads = config.threads;
    this.capacity = config.threads * config.tasksPerThread;
    this.#arena = new SharedArena({ maxIdleBytes: config.maxIdleArenaBytes });
    this.#notices = new BroadcastChannel(noticeChannel);
    this.#notices.unref();
    // From source (tests) the thread is TypeScript too, and finds the other libs' sources by the same condition.
    const fromSource = import.meta.url.endsWith('.ts');
    this.#piscina = new Piscina<ThreadTask, ThreadReply>({
      filename: new URL(`./inference.thread.${fromSource ? 'ts' : 'js'}`, import.meta.url).href,
      // Each thread takes 10 MB. All but the first are started when they are needed, and stay.
      minThreads: 1,
      maxThreads: config.threads,
      idleTimeout: Infinity,
      concurrentTasksPerWorker: config.tasksPerThread,
      // Threads wait in their event loop, not in Atomics.wait: they must hear notices while idle.
      atomics: 'disabled',
      workerData: options,
      // Tensors lie outside the heap: a run leaves little in it.
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
      recordTiming: false,
      loadBalancer: (task, threads) => this.#place((task as PlacedTask)[queueOptionsSymbol], threads),
      execArgv: fromSource ? ['--conditions=@sconce/source', '--no-warnings'] : undefined,
    });
    this.#watch = new RunWatch({ maxRunMs: config.maxRunMs });
    this.#watchTimer = setInterval(
      () => {
        const nowMs = performance.now();
        // Each stuck thread has a thread in its place, which takes memory. With as many of them again, runs are waited for.
        for (const abandoned of this.#watch.abandoned(nowMs, this.threads - this.#stuck.size)) this.#replace(abandoned);
        const hung = this.#watch.check(nowMs);
        if (hung !== undefined) this.#hung.resolve(hung);
      },
      Math.min(MAX_CHECK_MS, Math.ceil(config.maxRunMs / 4)),
    ).unref();
    // A thread that dies rejects its tasks (`thread_crashed`); the event itself must not end the process.
    this.#piscina.on('error', () => undefined);
  }

  /**
   * Resolves with the first run that takes longer than `maxRunMs`. Only the end of the process ends that run: its thread cannot be
   * ended while it is inside native code.
   */
  get hung(): Promise<HungRun> {
    return this.#hung.promise;
  }

  /** Whether a thread is inside a run that nobody waits for: then `close` leaves the threads to the end of the process. */
  get isStuck(): boolean {
    return this.#stuck.size > 0;
  }

  /** Opens the file in a thread, returns its signature and closes it. Throws `model_invalid`. */
  async inspect(file: ModelFile): Promise<ModelSignature> {
    const reply = await this.#send({ kind: 'inspect', file });
    if (reply.kind !== 'inspect') throw unexpected(reply);
    return reply.signature;
  }

  /** Loads a file in a thread, so that its first run need not. Throws `model_invalid`, `model_corrupt`, `thread_crashed`. */
  async load(file: ModelFile): Promise<void> {
    if (file.digests !== undefined) await this.#verify(file, file.digests);
    await this.#load(file);
  }

  /** Compares the digests of a file's parts, once per process. Throws `model_corrupt`, `model_not_found`. */
  async verify(file: ModelFile): Promise<void> {
    if (file.digests !== undefined) await this.#verify(file, file.digests);
  }

  /** Asks every thread to unload the file. A thread that runs it unloads it afterwards. */
  unload(fileKey: string): void {
    const notice: ThreadNotice = { unload: fileKey };
    this.#placement.dropped(fileKey);
    this.#notices.postMessage(notice);
  }

  /** One session call, in the thread that `ThreadPlacement` chooses. Throws `inference_failed`, `over_budget`, `model_invalid`, `model_corrupt`, `thread_crashed`. */
  async run(call: RunCall): Promise<RunResult> {
    if (call.file.digests !== undefined) await this.#verify(call.file, call.file.digests);
    // Apart from the run, so that the time of loading does not count as time of the run.
    const loadFirst = call.onOverdue !== undefined && !this.#placement.isHeld(call.file.key);
    const loadMs = loadFirst ? await this.#load(call.file) : 0;
    const layout = layOut(call);
    const { maxOutput } = call;
    if (maxOutput !== undefined && layout.slotBytes > maxOutput.limit) {
      throw outputsOverBudget(
        maxOutput,
        layout.slotBytes,
        layout.outputs.flatMap(({ slot }) => slot ?? []),
      );
    }
    const buffer = this.#arena.acquire(layout.byteLength);
    fill(new Uint8Array(buffer), layout);
    let reply: ThreadReply & { ok: true };
    try {
      const task = {
        kind: 'run',
        file: call.file,
        buffer,
        inputs: layout.inputs,
        outputs: layout.outputs,
        maxOutput,
      } as const;
      const { file, expectedMs, overdueMs, onOverdue } = call;
      reply = await this.#send(task, { file, expectedMs, overdueMs, onOverdue });
    } catch (error) {
      // Its buffer is not used again: the stuck thread may still run it.
      if (error === MOVED) return this.run(call);
      // A crashed thread may still write to the buffer: it is used again only if its thread has answered.
      if (!(error instanceof SconceError && error.code === 'thread_crashed')) this.#arena.release(buffer);
      throw error;
    }
    if (reply.kind !== 'run') throw unexpected(reply);
    const outputs = reply.outputs.map(({ name, datatype, shape, data }, index): Tensor => {
      const slot = layout.outputs[index]?.slot;
      if (data !== undefined) return { name, datatype, shape, data };
      if (slot === undefined) throw new SconceError('internal', `The thread returned no data for output "${name}"`);
      return { name, datatype, shape, data: copyOut(buffer, slot) };
    });
    this.#arena.release(buffer);
    const { timing } = reply;
    return { outputs, timing: loadMs === 0 ? timing : { ...timing, loadMs: timing.loadMs + loadMs } };
  }

  async #load(file: ModelFile): Promise<number> {
    return loadTimeOf(await this.#send({ kind: 'load', file }, { file }));
  }

  /** Leaves a thread to its run, and lets another one take its place. */
  #replace({ thread, tasks: [first, ...behind] }: AbandonedThread): void {
    this.#stuck.add(thread);
    const { promise } = first as Placed;
    if (promise !== undefined) this.#running.delete(promise);
    // There may be more threads by those that are stuck.
    this.#piscina.options.maxThreads = this.threads + this.#stuck.size;
    for (const task of behind) (task as Placed).move?.();
  }

  /** Once per file and process. A failure is not remembered: a repaired file would be refused for ever. */
  async #verify({ key }: ModelFile, digests: readonly FileDigest[]): Promise<void> {
    if (this.#verified.has(key)) return;
    const running = this.#verifying.get(key) ?? this.#send({ kind: 'verify', files: digests });
    this.#verifying.set(key, running);
    try {
      await running;
      this.#verified.add(key);
      if (this.#verified.size > MAX_VERIFIED) this.#verified.delete(this.#verified.values().next().value ?? key);
    } finally {
      this.#verifying.delete(key);
    }
  }

  /** Refuses new calls, waits for calls in flight, then ends the threads. Idempotent. */
  async close(): Promise<void> {
    this.#closing ??= (async () => {
      await Promise.allSettled(this.#running);
      clearInterval(this.#watchTimer);
      this.#notices.close();
      if (!this.isStuck) await this.#piscina.destroy();
    })();
    await this.#closing;
  }

  /** Chooses the thread of a task, by the model that the task needs or by the thread that it names. */
  #place<T extends PlacementThread>(wanted: Placed | undefined, all: readonly T[]): T | null {
    const threads = this.isStuck ? all.filter(({ id }) => !this.#stuck.has(id)) : all;
    // If no thread is idle and there may be more, piscina starts one. It asks again when that thread is ready or another task has ended.
    if (threads.length < this.threads && threads.every(({ currentUsage }) => currentUsage > 0)) return null;
    const chosen = wanted?.file === undefined ? leastBusy(threads) : this.#placeModel(wanted, wanted.file, threads);
    if (wanted !== undefined && chosen !== undefined) this.#watch.started(wanted, chosen.id, performance.now());
    return chosen ?? null;
  }

  #placeModel<T extends PlacementThread>(wanted: Placed, file: ModelFile, threads: readonly T[]): T | undefined {
    const { thread } = wanted;
    // Its thread may have been replaced. Then any thread will do: a task that no thread takes would wait for ever.
    const own = threads.find(({ id }) => id === thread);
    const chosen = own ?? this.#placement.choose(file.key, threads, performance.now());
    if (chosen === undefined) return undefined;
    wanted.thread = chosen.id;
    this.#placement.started(file.key, chosen.id);
    // Loading has the instance's limit.
    const isLoading = this.#placement.isLoading(chosen.id);
    wanted.runMs = isLoading ? undefined : file.budget?.run_ms?.limit;
    if (isLoading && wanted.overdueMs !== undefined) wanted.overdueMs += LOADING_MS;
    this.#placement.busy(chosen, wanted.expectedMs ?? 0, performance.now());
    if (thread === undefined) {
      const other = this.#placement.spread(file.key, busyWith(threads, chosen));
      if (other !== undefined) this.#loadOn(file, other.id);
    }
    return chosen;
  }

  /** Loads in the background; threads that hold the model serve it meanwhile. A request that meets the same failure reports it. */
  #loadOn(file: ModelFile, thread: number): void {
    // Not inside the load balancer: it is choosing a thread for another task.
    queueMicrotask(() => {
      this.#send({ kind: 'load', file }, { file, thread }).catch(() => undefined);
    });
  }

  async #send(task: ThreadTask, placed: Placed = {}): Promise<ThreadReply & { ok: true }> {
    if (this.#closing !== undefined) {
      throw new SconceError('shutting_down', 'This worker is shutting down; the work goes to another one.');
    }
    const given: ThreadTask & PlacedTask = { ...task, [queueOptionsSymbol]: placed };
    const pending = this.#piscina.run(given);
    const { promise, resolve, reject } = Promise.withResolvers<ThreadReply>();
    placed.promise = promise;
    placed.move = () => {
      if (placed.file !== undefined) this.#placement.answered(placed.file.key, placed.thread ?? 0, false);
      reject(MOVED);
    };
    this.#running.add(promise);
    pending.then(
      (reply) => {
        this.#ended(placed);
        resolve(reply);
      },
      (error: unknown) => {
        this.#ended(placed);
        reject(error);
      },
    );
    let reply: ThreadReply;
    try {
      reply = await promise;
    } catch (cause) {
      if (cause === MOVED) throw cause;
      this.#placement.forgetThreads();
      throw new SconceError(
        'thread_crashed',
        'An inference thread ended while it ran this call. Another thread replaces it.',
        {
          cause,
        },
      );
    } finally {
      this.#running.delete(promise);
    }
    const { file, thread } = placed;
    if (file !== undefined && thread !== undefined) {
      this.#placement.answered(file.key, thread, reply.ok || isRunFailure(deserializeError(reply.error).code));
    }
    if (!reply.ok) throw deserializeError(reply.error);
    const loadMs = loadTimeOf(reply);
    if (file !== undefined && loadMs > 0) this.#placement.loaded(file.key, loadMs);
    return reply;
  }

  /** A task was answered, or its thread is gone. */
  #ended(placed: Placed): void {
    if (this.isStuck && placed.thread !== undefined && this.#watch.isFirst(placed)) this.#stuck.delete(placed.thread);
    this.#watch.ended(placed, performance.now());
    // piscina keeps what a task was placed by for a while: it must not keep the requests and the answer of the run (measured).
    placed.move = placed.promise = placed.onOverdue = undefined;
  }
}

function loadTimeOf(reply: ThreadReply & { ok: true }): number {
  if (reply.kind === 'load') return reply.loadMs;
  return reply.kind === 'run' ? reply.timing.loadMs : 0;
}

/** Where a task must run: in a thread that holds the file, or in one thread. `thread` is set when the thread is chosen. */
interface Placed {
  readonly file?: ModelFile;
  readonly expectedMs?: number | undefined;
  overdueMs?: number | undefined;
  onOverdue?: (() => boolean) | undefined;
  thread?: number;
  runMs?: number | undefined;
  /** Its answer. */
  promise?: Promise<ThreadReply> | undefined;
  /** Has the task run in another thread. */
  move?: (() => void) | undefined;
}

/** The task waited in a thread that is stuck. */
const MOVED = new Error('the task is sent again');

interface PlacedTask {
  readonly [queueOptionsSymbol]?: Placed;
}

/** The threads as they will be when the chosen one has its task. */
function busyWith<T extends PlacementThread>(threads: readonly T[], chosen: T): PlacementThread[] {
  return threads.map(({ id, currentUsage }) => ({ id, currentUsage: currentUsage + (id === chosen.id ? 1 : 0) }));
}

function unexpected(reply: ThreadReply): SconceError {
  return new SconceError('internal', `The thread sent an unexpected reply: ${JSON.stringify(reply)}`);
}
