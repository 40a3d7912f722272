import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { runIsolated, type IsolationLimits, type IsolationOptions } from '../isolated-process.ts';
import { digestOf } from '../optimise-model.ts';
import type { RegistrationMessage, RegistrationTask } from '../registration-task.ts';

type Message = Exclude<RegistrationMessage, { kind: 'failed' }>;

const WIDE_LIMITS: IsolationLimits = { memoryBytes: 2 * 1024 ** 3, timeoutMs: 110_000 };

/** Runs registration tasks in processes, for specs. All files are in one folder. */
export class RegistrationProcesses {
  readonly #folder: string;
  #made = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  emptyFolder(): string {
    const path = join(this.#folder, String(this.#made++));
    mkdirSync(path);
    return path;
  }

  registerTask(path: string, sha256 = ''): RegistrationTask {
    return { kind: 'register', artifact: { path, sha256, format: 'onnx' }, config: {}, folder: this.emptyFolder() };
  }

  /** A task with the file's right digest. */
  async registerTaskFor(path: string): Promise<RegistrationTask> {
    return this.registerTask(path, await digestOf(path));
  }

  optimiseTask(modelPath: string, more: Partial<RegistrationTask & { kind: 'optimise' }> = {}): RegistrationTask {
    return { kind: 'optimise', modelPath, save: 'nothing', folder: this.emptyFolder(), ...more };
  }

  /** A module that runs `code` when it gets its task. Its function `say` sends a message whose warnings hold the process's id. */
  childModule(code: string): URL {
    const path = join(this.#folder, `${this.#made++}.mjs`);
    const text = `
    import { setTimeout as delay } from 'node:timers/promises';
    // If it crashes, the system may write its memory to this folder.
    process.chdir(${JSON.stringify(this.#folder)});
    const said = { signature: { inputs: [], outputs: [] }, batch: { axis: 'none' }, call: new Uint8Array([1]) };
    const say = (kind, ...warnings) => new Promise((resolve) => process.send({ kind, ...said, warnings }, resolve));
    const fail = (error) => new Promise((resolve) => process.send({ kind: 'failed', error }, resolve));
    process.once('message', async (task) => {
      await say('compiled', String(process.pid));
      ${code}
    });`;
    writeFileSync(path, text);
    return pathToFileURL(path);
  }

  /** Runs a task. Returns its error, its messages, and the id that the process sent. */
  async run(
    task: RegistrationTask,
    { limits = {}, ...options }: Partial<Omit<IsolationOptions, 'limits'>> & { limits?: Partial<IsolationLimits> } = {},
  ): Promise<{ error: unknown; messages: Message[]; pid: number; ms: number }> {
    const messages: Message[] = [];
    const startMs = performance.now();
    let error: unknown;
    try {
      await runIsolated(task, {
        signal: new AbortController().signal,
        ...options,
        limits: { ...WIDE_LIMITS, ...limits },
        onMessage: async (message) => {
          messages.push(message);
          await options.onMessage?.(message);
        },
      });
    } catch (thrown) {
      error = thrown;
    }
    const [first] = messages;
    const pid = first !== undefined && 'warnings' in first ? Number(first.warnings[0]) : NaN;
    return { error, messages, pid, ms: performance.now() - startMs };
  }
}

export function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
