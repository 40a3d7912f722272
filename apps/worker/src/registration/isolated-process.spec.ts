import { copyFileSync, existsSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { SconceError } from '@sconce/errors';
import { PROCESS_ENVIRONMENT } from '@sconce/runtime/process-environment';
import { encodeSafetensors, type Tensor } from '@sconce/tensor';
import { eventually, failOnLeaks, fixturePath, startProcess, temporaryFolder } from '@sconce/testing';
import { runIsolated, type IsolationLimits, type IsolationOptions } from './isolated-process.ts';
import { digestOf } from './optimise-model.ts';
import type { Proved, RegistrationMessage, RegistrationTask } from './registration-task.ts';

// The processes get what others leave of the processors: where those are busy, next to nothing.
vi.setConfig({ testTimeout: 120_000 });
failOnLeaks();

const folder = temporaryFolder('isolated');
let folders = 0;
const emptyFolder = (): string => {
  const path = join(folder, String(folders++));
  mkdirSync(path);
  return path;
};

const ENOUGH: IsolationLimits = { memoryBytes: 2 * 1024 ** 3, timeoutMs: 110_000 };
type Message = Exclude<RegistrationMessage, { kind: 'failed' }>;

const register = (path: string, sha256 = ''): RegistrationTask => ({
  kind: 'register',
  artifact: { path, sha256, format: 'onnx' },
  config: {},
  folder: emptyFolder(),
});
const optimise = (more: Partial<RegistrationTask & { kind: 'optimise' }> = {}): RegistrationTask => ({
  kind: 'optimise',
  modelPath: fixturePath('affine'),
  save: 'nothing',
  folder: emptyFolder(),
  ...more,
});
const affine = async (): Promise<RegistrationTask> =>
  register(fixturePath('affine'), await digestOf(fixturePath('affine')));

/** A process that runs `code` when it is told its task; what `say` sends says which process it is. */
function child(code: string): URL {
  const path = join(folder, `${folders++}.mjs`);
  const text = `
    import { setTimeout as delay } from 'node:timers/promises';
    // Where it dies, it does so here: a system may write down its memory beside it.
    process.chdir(${JSON.stringify(folder)});
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

/** Runs and tells what came of it. */
async function run(
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
      limits: { ...ENOUGH, ...limits },
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

const isRunning = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};
const saying = (code: string, message: RegExp): object => ({
  name: 'SconceError',
  code,
  message: expect.stringMatching(message) as string,
});

describe('a registration process', () => {
  it('registers a model, and tells of each stage in order', async () => {
    const task = await affine();
    const { error, messages } = await run(task);
    expect(error).toBeUndefined();
    expect(messages).toMatchObject([
      { kind: 'compiled', warnings: [], signature: { inputs: [{ name: 'x', shape: [-1, 4] }] } },
      { kind: 'proved', batch: { axis: 'dynamic', inputs: ['x'] }, check: { name: 'check.safetensors' } },
    ]);
    const [, proved] = messages;
    if (proved?.kind !== 'proved' || proved.check === undefined) throw new Error('nothing was proved');
    expect(await digestOf(join(task.folder, proved.check.name))).toBe(proved.check.sha256);
    expect(proved.call).toBeInstanceOf(Uint8Array);
  });

  it.each(['prepacked', 'plain', 'nothing'] as const)('saves a model (%s)', async (save) => {
    const task = optimise({ save });
    const { error, messages } = await run(task);
    expect(error).toBeUndefined();
    expect(messages.map(({ kind }) => kind)).toEqual(['optimised']);
    expect(existsSync(join(task.folder, 'model.onnx'))).toBe(save !== 'nothing');
  });

  it.each<[what: string, task: () => Promise<RegistrationTask> | RegistrationTask, code: string, message: RegExp]>([
    [
      'a file that is not the one that was pushed',
      () => register(fixturePath('affine'), 'ff'),
      'model_corrupt',
      /push it/,
    ],
    [
      'half a model',
      async () => {
        const path = join(emptyFolder(), 'half.onnx');
        copyFileSync(fixturePath('every-type'), path);
        truncateSync(path, readFileSync(path).length / 2);
        return register(path, await digestOf(path));
      },
      'model_invalid',
      /refused the model/,
    ],
    [
      'a model to save that is not there',
      () => optimise({ modelPath: join(folder, 'none.onnx') }),
      'model_invalid',
      /./,
    ],
    [
      'a check call that is not there',
      () => optimise({ checkPath: join(folder, 'none') }),
      'model_not_found',
      /is gone/,
    ],
  ])('fails as what it runs does: %s', async (_, task, code, message) => {
    const { error, messages } = await run(await task());
    expect(error).toMatchObject(saying(code, message));
    expect(messages).toEqual([]);
  });

  it('passes on an error with its details', async () => {
    const failure = { code: 'parity_failed', message: 'off', details: { param: 'y' } };
    const { error } = await run(await affine(), { childModule: child(`await fail(${JSON.stringify(failure)})`) });
    expect(error).toMatchObject(failure);
  });

  it('has nothing of the worker’s environment', async () => {
    process.env['SCONCE_SPEC_SECRET'] = 'secret';
    const { messages } = await run(await affine(), {
      childModule: child(`await say('proved', JSON.stringify(process.env)); process.exit(0);`),
    });
    delete process.env['SCONCE_SPEC_SECRET'];
    const [, proved] = messages;
    expect(JSON.parse((proved as Proved).warnings[0] ?? '')).toEqual(PROCESS_ENVIRONMENT);
  });

  it('gets what others leave of the processors', async () => {
    const code = `
      const { getPriority } = await import('node:os');
      for (let i = 0; i < 200 && getPriority() !== 19; i++) await delay(10);
      await say('proved', String(getPriority()));
      process.exit(0);`;
    const { messages } = await run(await affine(), { childModule: child(code) });
    expect(messages[1]).toMatchObject({ warnings: ['19'] });
  });
});

describe('what a registration process does to itself', () => {
  it.each<[what: string, code: string, message: RegExp]>([
    [
      'a segmentation fault',
      `process.kill(process.pid, 'SIGSEGV');`,
      /ended the process that was proving it \(SIGSEGV\)/,
    ],
    [
      'an abort, with its last words',
      `process.stderr.write('first\\nmalloc(): corrupted\\n\\n', () => process.kill(process.pid, 'SIGABRT'));`,
      /proving it \(SIGABRT\): malloc\(\): corrupted: it cannot be served safely$/,
    ],
    ['an end without a word', `process.exit(0);`, /proving it \(exit code 0\): it cannot/],
    ['an exit code', `process.exit(7);`, /\(exit code 7\)/],
    ['an error that nobody catches', `throw new Error('odd');`, /\(exit code 1\): /],
    ['a disconnect', `process.disconnect();`, /\(exit code 0\)/],
  ])('ends in it: %s', async (_, code, message) => {
    const { error, messages } = await run(await affine(), { childModule: child(code) });
    expect(error).toMatchObject(saying('model_invalid', message));
    expect(messages.map(({ kind }) => kind)).toEqual(['compiled']);
  });

  it('is named by the stage it was in', async () => {
    const before = join(folder, 'at-once.mjs');
    writeFileSync(before, 'process.exit(3);');
    const childModule = pathToFileURL(before);
    const { error } = await run(await affine(), { childModule });
    expect(error).toMatchObject(saying('model_invalid', /the process that was compiling it \(exit code 3\)/));
    const { error: other } = await run(optimise(), { childModule });
    expect(other).toMatchObject(saying('model_invalid', /the process that was optimising it/));
  });

  it('does not count once it has said its last word', async () => {
    const code = `await say('proved'); process.kill(process.pid, 'SIGSEGV');`;
    expect((await run(await affine(), { childModule: child(code) })).error).toBeUndefined();
    // Of another task, that is none.
    expect((await run(optimise(), { childModule: child(code) })).error).toMatchObject({ code: 'model_invalid' });
    // What it said was wrong stands, however it ended.
    const failed = `await say('proved'); await fail({ code: 'parity_failed', message: 'off' }); process.abort();`;
    expect((await run(await affine(), { childModule: child(failed) })).error).toMatchObject({ code: 'parity_failed' });
  });

  it('is bounded in memory', async () => {
    const code = `globalThis.kept = []; for (;;) { kept.push(Buffer.alloc(8 * 1024 ** 2, 1)); await delay(20); }`;
    const limits = { memoryBytes: 300 * 1024 ** 2 };
    const { error, pid } = await run(await affine(), { limits, childModule: child(code) });
    expect(error).toMatchObject(
      saying('model_invalid', /registering the model took more than 300 MiB of memory while proving it/),
    );
    expect(isRunning(pid)).toBe(false);
  });

  it.each([
    ['waits', `setInterval(() => {}, 1000);`],
    ['never lets go of its thread', `for (;;);`],
    ['takes no notice of signals', `process.on('SIGTERM', () => {}); process.on('SIGINT', () => {}); for (;;);`],
    ['has said its last word', `await say('proved'); for (;;);`],
  ])('is bounded in time where it %s', async (_, code) => {
    const limits = { timeoutMs: 1_500 };
    const { error, pid, ms } = await run(await affine(), { limits, childModule: child(code) });
    expect(error).toMatchObject(
      saying('model_invalid', /registering the model took more than 1\.5 s; it was (compiling|proving)/),
    );
    expect(ms).toBeLessThan(60_000);
    expect(isRunning(pid)).toBe(false);
  });

  it('is bounded before it says anything, as a real model is', async () => {
    const { error } = await run(await affine(), { limits: { timeoutMs: 20 } });
    expect(error).toMatchObject(saying('model_invalid', /took more than 0\.02 s; it was compiling/));
    const { error: memory } = await run(await affine(), { limits: { memoryBytes: 1024 ** 2 } });
    expect(memory).toMatchObject(saying('model_invalid', /took more than 1 MiB of memory while compiling it/));
  });
});

describe('an abort', () => {
  it('ends the process at once', async () => {
    const stop = new AbortController();
    const childModule = child(`for (;;);`);
    const { error, pid, messages, ms } = await run(await affine(), {
      childModule,
      signal: stop.signal,
      onMessage: async () => stop.abort(),
    });
    expect(error).toMatchObject(saying('shutting_down', /another one registers/));
    expect(messages).toHaveLength(1);
    expect(isRunning(pid)).toBe(false);
    expect(ms).toBeLessThan(60_000);
  });

  it('that came before starts nothing', async () => {
    const { error, messages, ms } = await run(await affine(), { signal: AbortSignal.abort() });
    // Not an error of the model: its job goes to another worker.
    expect(error).toMatchObject(saying('shutting_down', /another one registers/));
    expect([messages, ms < 1_000]).toEqual([[], true]);
  });

  it('that comes after it changes nothing, and is not listened to', async () => {
    const stop = new AbortController();
    let listeners = 0;
    const { addEventListener, removeEventListener } = stop.signal;
    stop.signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners++;
      addEventListener.apply(stop.signal, args);
    };
    stop.signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners--;
      removeEventListener.apply(stop.signal, args);
    };
    const childModule = child(`await say('proved'); process.exit(0);`);
    expect((await run(await affine(), { childModule, signal: stop.signal })).error).toBeUndefined();
    expect(listeners).toBe(0);
    stop.abort();
  });
});

describe('what is done with messages', () => {
  it('is done for one after the other, and waited for', async () => {
    const events: string[] = [];
    const code = `for (let i = 1; i < 20; i++) await say('compiled', String(i)); await say('proved', 'last'); process.exit(0);`;
    const { error } = await run(await affine(), {
      childModule: child(code),
      onMessage: async (message) => {
        const which = 'warnings' in message ? (message.warnings[0] ?? '') : '';
        const name = events.length === 0 ? '0' : which;
        events.push(`${name} begins`);
        await delay(name === 'last' ? 200 : 5);
        events.push(`${name} ends`);
      },
    });
    expect(error).toBeUndefined();
    const order = [...Array.from({ length: 20 }, (_, i) => String(i)), 'last'];
    expect(events).toEqual(order.flatMap((name) => [`${name} begins`, `${name} ends`]));
  });

  it('is waited for where the process fails, too', async () => {
    const done: string[] = [];
    const { error } = await run(await affine(), {
      childModule: child(`await fail({ code: 'parity_failed', message: 'off' }); process.exit(0);`),
      onMessage: async ({ kind }) => {
        await delay(300);
        done.push(kind);
      },
    });
    expect(error).toMatchObject({ code: 'parity_failed' });
    expect(done).toEqual(['compiled']);
  });

  it('may take longer than the process may', async () => {
    const timeoutMs = 4_000;
    const startMs = performance.now();
    const { error, messages } = await run(await affine(), {
      limits: { timeoutMs },
      childModule: child(`await say('proved'); process.exit(0);`),
      onMessage: async ({ kind }) => {
        if (kind === 'proved') await delay(startMs + timeoutMs + 500 - performance.now());
      },
    });
    expect(error).toBeUndefined();
    expect(messages.map(({ kind }) => kind)).toEqual(['compiled', 'proved']);
  });

  it.each<[what: string, thrown: unknown, expected: object]>([
    ['a plain error', new Error('no store'), { code: 'internal', message: 'no store' }],
    [
      'one of ours',
      new SconceError('model_not_found', 'gone', { details: { param: 'm' } }),
      { code: 'model_not_found', message: 'gone', details: { param: 'm' } },
    ],
  ])('ends the process where it throws %s', async (_, thrown, expected) => {
    const { error, pid, messages } = await run(await affine(), {
      childModule: child(`await say('proved'); for (;;);`),
      onMessage: () => Promise.reject(thrown as Error),
    });
    expect(error).toMatchObject({ name: 'SconceError', ...expected });
    expect(messages.map(({ kind }) => kind)).toEqual(['compiled']);
    expect(isRunning(pid)).toBe(false);
  });

  it('counts where it throws after the process has ended', async () => {
    const { error } = await run(await affine(), {
      childModule: child(`await say('proved'); process.exit(0);`),
      onMessage: async ({ kind }) => {
        if (kind !== 'proved') return;
        await delay(500);
        throw new Error('no store');
      },
    });
    expect(error).toMatchObject({ message: 'no store' });
  });
});

it('a process that cannot be started fails its task, and not the worker', async () => {
  const { execPath } = process;
  const uncaught: unknown[] = [];
  const listen = (error: unknown): void => void uncaught.push(error);
  process.on('uncaughtException', listen);
  try {
    process.execPath = join(folder, 'no-node');
    const { error } = await run(await affine());
    expect(error).toMatchObject(saying('internal', /no process for the registration could be started/));
    await delay(100);
    expect(uncaught).toEqual([]);
  } finally {
    process.execPath = execPath;
    process.off('uncaughtException', listen);
  }
});

/** A check call that the fixture `slow` does not come back from, within native code. */
function endlessCheck(): string {
  const path = join(emptyFolder(), 'check.safetensors');
  const steps = new Uint8Array(BigInt64Array.of(1_000_000_000n).buffer);
  const tensors: Tensor[] = [
    { name: '0.in.0', datatype: 'INT64', shape: [1], data: steps },
    { name: '0.out.0', datatype: 'FP32', shape: [1], data: new Uint8Array(4) },
  ];
  writeFileSync(path, encodeSafetensors(tensors));
  return path;
}

it('a model that never comes back is ended by the limit of time', async () => {
  const task = optimise({ modelPath: fixturePath('slow'), checkPath: endlessCheck() });
  const { error } = await run(task, { limits: { timeoutMs: 4_000 } });
  expect(error).toMatchObject(saying('model_invalid', /took more than 4 s; it was optimising/));
});

it.runIf(process.platform === 'linux')(
  'a process whose worker is gone ends itself, even from within native code',
  async () => {
    const task = optimise({ modelPath: fixturePath('slow'), checkPath: endlessCheck() });
    const parent = join(folder, 'parent.mjs');
    // Dies as soon as the process it forked has been busy for longer than it takes to start.
    const text = `
      import { fork } from 'node:child_process';
      import { readFileSync } from 'node:fs';
      const child = fork(new URL(${JSON.stringify(new URL('./registration.child.ts', import.meta.url).href)}), {
        execArgv: ['--conditions=@sconce/source', '--no-warnings'],
        serialization: 'advanced',
      });
      console.log('child ' + child.pid);
      child.send(${JSON.stringify(task)});
      setInterval(() => {
        const ticks = Number(readFileSync('/proc/' + child.pid + '/stat', 'utf8').split(') ')[1].split(' ')[11]);
        if (ticks > 300) process.kill(process.pid, 'SIGKILL');
      }, 50);`;
    writeFileSync(parent, text);
    const started = await startProcess({ command: process.execPath, args: [parent], readyLine: 'child ' });
    const pid = Number(started.readyLine.split(' ')[1]);
    expect(await started.exited).toMatchObject({ signal: 'SIGKILL' });
    await eventually(() => !isRunning(pid), { timeoutMs: 30_000 });
  },
);
