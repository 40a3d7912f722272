import { BroadcastChannel } from 'node:worker_threads';
import { Piscina, queueOptionsSymbol } from 'piscina';
import type { BudgetLimit } from '@sconce/contracts';
import { SconceError, deserializeError, isRunFailure } from '@sconce/errors';
import { byteLength, padRows, type ModelSignature, type Tensor } from '@sconce/tensor';
import { outputsOverBudget } from './output-budget.ts';
import type { RuntimeConfig } from './runtime-config.ts';
import { disableRuntimeTelemetry } from './runtime-telemetry.ts';
import { RunWatch, type HungRun } from './run-watch.ts';
import { SharedArena } from './shared-arena.ts';
import { ThreadPlacement, leastBusy, type PlacementThread } from './thread-placement.ts';
import type {
  FileDigest,
  ModelFile,
  SharedTensor,
  ThreadNotice,
  ThreadOptions,
  ThreadReply,
  ThreadTask,
  ThreadTiming,
  WantedOutput,
} from './thread-protocol.ts';

/** Keeps every tensor in a task's buffer aligned for any element type and for SIMD loads. */
const ALIGNMENT = 64;

/** Longest time between two checks for hung runs. */
const MAX_CHECK_MS = 500;

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
        const hung = this.#watch.check(performance.now());
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

  /** Opens the file in a thread, returns its signature and closes it. Throws `model_invalid`. */
  async inspect(file: ModelFile): Promise<ModelSignature> {
    const reply = await this.#send({ kind: 'inspect', file });
    if (reply.kind !== 'inspect') throw unexpected(reply);
    return reply.signature;
  }

  /** Loads a file in a thread, so that its first run need not. Throws `model_invalid`, `model_corrupt`, `thread_crashed`. */
  async load(file: ModelFile): Promise<void> {
    if (file.digests !== undefined) await this.#verify(file, file.digests);
    await this.#send({ kind: 'load', file }, { file });
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
      reply = await this.#send(task, { file: call.file, expectedMs: call.expectedMs });
    } catch (error) {
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
    return { outputs, timing: reply.timing };
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
      await this.#piscina.destroy();
    })();
    await this.#closing;
  }

  /** Chooses the thread of a task, by the model that the task needs or by the thread that it names. */
  #place<T extends PlacementThread>(wanted: Placed | undefined, threads: readonly T[]): T | null {
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
    wanted.runMs = this.#placement.isLoading(chosen.id) ? undefined : file.budget?.run_ms?.limit;
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
    this.#running.add(pending);
    let reply: ThreadReply;
    try {
      reply = await pending;
    } catch (cause) {
      this.#placement.forgetThreads();
      throw new SconceError(
        'thread_crashed',
        'An inference thread ended while it ran this call. Another thread replaces it.',
        {
          cause,
        },
      );
    } finally {
      this.#running.delete(pending);
      this.#watch.ended(placed, performance.now());
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
}

function loadTimeOf(reply: ThreadReply & { ok: true }): number {
  if (reply.kind === 'load') return reply.loadMs;
  return reply.kind === 'run' ? reply.timing.loadMs : 0;
}

/** Where a task must run: in a thread that holds the file, or in one thread. `thread` is set when the thread is chosen. */
interface Placed {
  readonly file?: ModelFile;
  readonly expectedMs?: number;
  thread?: number;
  runMs?: number | undefined;
}

interface PlacedTask {
  readonly [queueOptionsSymbol]?: Placed;
}

/** The threads as they will be when the chosen one has its task. */
function busyWith<T extends PlacementThread>(threads: readonly T[], chosen: T): PlacementThread[] {
  return threads.map(({ id, currentUsage }) => ({ id, currentUsage: currentUsage + (id === chosen.id ? 1 : 0) }));
}

interface Layout {
  readonly byteLength: number;
  readonly inputs: readonly SharedTensor[];
  /** The bytes of each input, in order. */
  readonly pieces: readonly (readonly Uint8Array[])[];
  readonly outputs: readonly WantedOutput[];
  /** Bytes of the outputs whose sizes are known before the run. */
  readonly slotBytes: number;
}

function layOut(call: RunCall): Layout {
  const first = call.parts[0];
  if (first === undefined) throw new SconceError('internal', 'A session call needs at least one part');
  let end = 0;
  const place = (length: number): number => {
    const offset = end;
    end = Math.ceil((offset + length) / ALIGNMENT) * ALIGNMENT;
    return offset;
  };
  const pieces = first.map((input, index) => piecesOf(call, input, index));
  const inputs = first.map(({ name, datatype, shape: own }, index): SharedTensor => {
    const length = (pieces[index] ?? []).reduce((sum, piece) => sum + piece.byteLength, 0);
    const shape = call.rows?.inputs.has(name) === true ? [call.rows.count, ...own.slice(1)] : own;
    return { name, datatype, shape, byteOffset: place(length), byteLength: length };
  });
  const rows = call.rows?.count ?? 0;
  let slotBytes = 0;
  const outputs = call.outputs.map(({ name, datatype, shape: declared }): WantedOutput => {
    const shape = [rows, ...declared.slice(1)];
    if (call.rows === undefined || datatype === 'BYTES' || declared.length === 0 || shape.some((size) => size <= 0)) {
      return { name };
    }
    const length = byteLength(datatype, shape);
    slotBytes += length;
    return { name, slot: { name, datatype, shape, byteOffset: place(length), byteLength: length } };
  });
  return { byteLength: end, inputs, pieces, outputs, slotBytes };
}

/** The pieces of one input of the run: the rows of all parts, then repetitions of the last row. An input without rows is one piece. */
function piecesOf({ rows, parts }: RunCall, input: Tensor, index: number): readonly Uint8Array[] {
  if (rows?.inputs.has(input.name) !== true) return [input.data];
  const tensors = parts.map((part) => {
    const tensor = part[index];
    if (tensor === undefined) throw new SconceError('internal', `A part lacks input "${input.name}"`);
    return tensor;
  });
  const missing = rows.count - tensors.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0);
  const last = tensors.at(-1) ?? input;
  if (missing === 0) return tensors.map(({ data }) => data);
  return [...tensors.slice(0, -1), padRows(last, (last.shape[0] ?? 0) + missing)].map(({ data }) => data);
}

function fill(target: Uint8Array, { inputs, pieces }: Layout): void {
  inputs.forEach((input, index) => {
    let offset = input.byteOffset;
    for (const piece of pieces[index] ?? []) {
      target.set(piece, offset);
      offset += piece.byteLength;
    }
  });
}

function copyOut(buffer: SharedArrayBuffer, slot: SharedTensor): Uint8Array {
  const copy = new Uint8Array(slot.byteLength);
  copy.set(new Uint8Array(buffer, slot.byteOffset, slot.byteLength));
  return copy;
}

function unexpected(reply: ThreadReply): SconceError {
  return new SconceError('internal', `The thread sent an unexpected reply: ${JSON.stringify(reply)}`);
}
