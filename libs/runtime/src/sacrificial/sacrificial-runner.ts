import type { BudgetLimit } from '@sconce/contracts';
import { SconceError, overBudget, toSconceError } from '@sconce/errors';
import { padRows, type Tensor } from '@sconce/tensor';
import type { RunCall, RunResult } from '../inference-pool.ts';
import type { RuntimeConfig } from '../runtime-config.ts';
import { NO_THREAD, type ModelFile } from '../thread-protocol.ts';
import { RunDied, SacrificialProcess, type RunDeath, type RunLimits } from './sacrificial-process.ts';

/** A process without runs is ended after so long. */
const QUIET_MS = 60_000;
/** A process in which runs left more memory than this is ended at once. */
const MAX_LEFT_BYTES = 64 * 1024 ** 2;
/** Memory that loading may take besides the model's own. */
const LOAD_EXTRA_BYTES = 256 * 1024 ** 2;

export interface SacrificialRunnerOptions {
  readonly config: Pick<RuntimeConfig, 'intraOpThreads' | 'maxModelsPerThread' | 'maxModelBytesPerThread' | 'maxRunMs'>;
  /** The limit for runs of models without one. */
  readonly memory: BudgetLimit;
  /** Compares the digests of a file before it is first loaded. */
  readonly verify?: (file: ModelFile) => Promise<void>;
  readonly quietMs?: number;
  /** The process ended in a run of the model, or while it loaded it. `cause`: the part of the budget, the signal, or `exit`. */
  readonly onEnd?: (model: string, cause: string) => void;
  /** The module of the process. Default: `sacrificial.child`. */
  readonly childModule?: URL;
}

/**
 * Makes runs in a sacrificial process: a child process that native code may end without harm to anything else.
 *
 * States: *without a process* → `run` → *with a process* → *without a process* (it ended in a run, or had no run for a while) → … →
 * *closed* (`close`). One run at a time.
 */
export class SacrificialRunner {
  readonly #options: SacrificialRunnerOptions;
  #process: SacrificialProcess | undefined;
  #quiet: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: SacrificialRunnerOptions) {
    this.#options = options;
  }

  /** Whether there is a process. */
  get isWarm(): boolean {
    return this.#process?.isUsable === true;
  }

  /**
   * One session call; it has one part. Throws what the runtime gave, or, if the process ended in the run: `over_budget` (`run_ms`,
   * `run_memory_bytes`) or `run_crashed`. If it ended twice while it loaded the model: `model_not_ready`, with the detail `isUnloadable`
   * if that was not its memory limit.
   */
  async run(call: RunCall): Promise<RunResult> {
    try {
      return await this.#try(call);
    } catch (thrown) {
      // Whatever ended a process that was loading may have been bad luck.
      if (thrown instanceof RunDied && thrown.loading && !this.#isClosed) return await this.#last(call);
      throw this.#errorOf(thrown, call.file);
    }
  }

  async #last(call: RunCall): Promise<RunResult> {
    try {
      return await this.#try(call);
    } catch (thrown) {
      throw this.#errorOf(thrown, call.file);
    }
  }

  async #try(call: RunCall): Promise<RunResult> {
    if (this.#isClosed) throw new SconceError('shutting_down', 'This worker is shutting down.');
    clearTimeout(this.#quiet);
    const { file } = call;
    await this.#options.verify?.(file);
    const process = (this.#process = this.#process?.isUsable === true ? this.#process : this.#start());
    const limits = this.#limitsOf(file);
    try {
      const result = await process.run(
        {
          kind: 'run',
          file,
          inputs: inputsOf(call),
          outputs: call.outputs.map(({ name }) => name),
          maxOutput: call.maxOutput,
        },
        limits,
      );
      const { runStartMs, runEndMs, loadMs } = result;
      // The data of a message lies anywhere in its bytes.
      const outputs = result.outputs.map((output) => ({ ...output, data: Uint8Array.from(output.data) }));
      return { outputs, timing: { threadId: NO_THREAD, runStartMs, runEndMs, loadMs } };
    } catch (error) {
      if (error instanceof RunDied) this.#onDeath(file, error.death);
      throw error;
    } finally {
      if (process.isUsable && process.leftBytes > MAX_LEFT_BYTES) process.kill();
      this.#quiet = setTimeout(() => this.#process?.kill(), this.#options.quietMs ?? QUIET_MS).unref();
    }
  }

  /** Whatever ended the process may come again: the next run finds another one that has started. */
  #onDeath({ model }: ModelFile, death: RunDeath): void {
    if (this.#isClosed) return;
    this.#options.onEnd?.(model, causeOf(death));
    this.#process = this.#start();
  }

  /** Ends the process, whatever it does. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#quiet);
    this.#process?.kill();
    await this.#process?.ended;
  }

  #start(): SacrificialProcess {
    const { config, childModule } = this.#options;
    return new SacrificialProcess(
      {
        kind: 'start',
        intraOpThreads: config.intraOpThreads ?? 1,
        maxModels: config.maxModelsPerThread,
        maxModelBytes: config.maxModelBytesPerThread,
      },
      childModule,
    );
  }

  #limitsOf(file: ModelFile): RunLimits {
    const { maxRunMs } = this.#options.config;
    return {
      runMs: file.budget?.run_ms?.limit ?? maxRunMs,
      cpuMs: file.aloneMs,
      loadMs: maxRunMs,
      memoryBytes: this.#memoryOf(file).limit,
      loadMemoryBytes: LOAD_EXTRA_BYTES + 2 * (file.memoryBytes ?? file.sizeBytes),
    };
  }

  #memoryOf(file: ModelFile): BudgetLimit {
    return file.budget?.run_memory_bytes ?? this.#options.memory;
  }

  /** What the caller of a run that failed is told. */
  #errorOf(thrown: unknown, file: ModelFile): SconceError {
    if (!(thrown instanceof RunDied)) return this.#refusedMemory(toSconceError(thrown), file);
    const { death, loading } = thrown;
    if (this.#isClosed) return new SconceError('shutting_down', 'This worker is shutting down.');
    if (loading) {
      const text = `Loading model ${file.model}/${file.version} ${describe(death)}. Push the model again, or give the worker more memory.`;
      return new SconceError('model_not_ready', text, { details: { isUnloadable: death.kind !== 'memory' } });
    }
    switch (death.kind) {
      case 'time': {
        const { limit, setting } = file.budget?.run_ms ?? {
          limit: this.#options.config.maxRunMs,
          setting: 'SCONCE_MAX_RUN_MS',
        };
        return overBudget({ field: 'run_ms', limit, value: death.takenMs, setting, isAtLeast: true });
      }
      case 'cpu': {
        const setting = 'budget.run_ms in the config of the model';
        return overBudget({
          field: 'run_ms',
          limit: file.aloneMs ?? 0,
          value: death.takenMs,
          setting,
          isAtLeast: true,
        });
      }
      case 'memory':
        return overBudget({
          field: 'run_memory_bytes',
          ...this.#memoryOf(file),
          value: death.takenBytes,
          isAtLeast: true,
        });
      case 'crash': {
        const text = `The run ${describe(death)}. It ran alone, in a process of its own: this input is the cause. Change the input, or mend the model.`;
        return new SconceError('run_crashed', text, { details: { ended: death.how } });
      }
    }
  }

  /** Memory that was refused counts as the run's budget if the run asked for more than that. */
  #refusedMemory(error: SconceError, file: ModelFile): SconceError {
    const { requestedBytes } = error.details;
    const memory = this.#memoryOf(file);
    if (error.code !== 'out_of_memory' || typeof requestedBytes !== 'number' || requestedBytes <= memory.limit) {
      return error;
    }
    return overBudget({ field: 'run_memory_bytes', ...memory, value: requestedBytes, isAtLeast: true });
  }
}

function causeOf(death: RunDeath): string {
  if (death.kind === 'memory') return 'run_memory_bytes';
  if (death.kind !== 'crash') return 'run_ms';
  return death.how.startsWith('SIG') ? death.how : 'exit';
}

function describe(death: RunDeath): string {
  switch (death.kind) {
    case 'time':
    case 'cpu':
      return `took more than ${death.takenMs} ms`;
    case 'memory':
      return `took more than ${death.takenBytes} bytes of memory`;
    case 'crash':
      return `ended its process (${death.how}${death.lastLine === '' ? '' : `: ${death.lastLine.slice(0, 200)}`})`;
  }
}

/** The inputs of a run: rows are repeated up to the run's number, as in a thread. */
function inputsOf({ parts, rows }: RunCall): readonly Tensor[] {
  const [inputs, ...others] = parts;
  if (inputs === undefined || others.length > 0) throw new SconceError('internal', 'A sacrificial run has one part');
  if (rows === undefined) return inputs;
  return inputs.map((input) => (rows.inputs.has(input.name) ? padRows(input, rows.count) : input));
}
