import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { encodeSafetensors, type Tensor } from '@sconce/tensor';
import { eventually, failOnLeaks, fixturePath, startProcess, temporaryFolder } from '@sconce/testing';
import type { RegistrationTask } from './registration-task.ts';
import { RegistrationProcesses, isRunning } from './testing/registration-process.ts';

// The processes have the lowest priority: on a busy machine they get little time.
vi.setConfig({ testTimeout: 120_000 });
failOnLeaks();

const folder = temporaryFolder('isolated');
const processes = new RegistrationProcesses(folder);
const affine = (): Promise<RegistrationTask> => processes.registerTaskFor(fixturePath('affine'));
const saying = (code: string, message: RegExp): object => ({
  name: 'SconceError',
  code,
  message: expect.stringMatching(message) as string,
});

describe('a registration process that fails', () => {
  it.each<[what: string, code: string, message: RegExp]>([
    [
      'a segmentation fault',
      `process.kill(process.pid, 'SIGSEGV');`,
      /ended the process that was proving it \(SIGSEGV\)/,
    ],
    [
      'an abort, with the last line of its stderr',
      `process.stderr.write('first\\nmalloc(): corrupted\\n\\n', () => process.kill(process.pid, 'SIGABRT'));`,
      /proving it \(SIGABRT\): malloc\(\): corrupted: it cannot be served safely$/,
    ],
    ['an end without a message', `process.exit(0);`, /proving it \(exit code 0\): it cannot/],
    ['an exit code', `process.exit(7);`, /\(exit code 7\)/],
    ['an error that is not caught', `throw new Error('odd');`, /\(exit code 1\): /],
    ['a disconnect', `process.disconnect();`, /\(exit code 0\)/],
  ])('does not end the worker: %s', async (_, code, message) => {
    const { error, messages } = await processes.run(await affine(), { childModule: processes.childModule(code) });
    expect(error).toMatchObject(saying('model_invalid', message));
    expect(messages.map(({ kind }) => kind)).toEqual(['compiled']);
  });

  it('is reported with its stage', async () => {
    const before = join(folder, 'at-once.mjs');
    writeFileSync(before, 'process.exit(3);');
    const childModule = pathToFileURL(before);
    const { error } = await processes.run(await affine(), { childModule });
    expect(error).toMatchObject(saying('model_invalid', /the process that was compiling it \(exit code 3\)/));
    const { error: other } = await processes.run(processes.optimiseTask(fixturePath('affine')), { childModule });
    expect(other).toMatchObject(saying('model_invalid', /the process that was optimising it/));
  });

  it('is not reported if its last message was sent before', async () => {
    const code = `await say('proved'); process.kill(process.pid, 'SIGSEGV');`;
    expect((await processes.run(await affine(), { childModule: processes.childModule(code) })).error).toBeUndefined();
    // For another task that is not the last message.
    expect(
      (await processes.run(processes.optimiseTask(fixturePath('affine')), { childModule: processes.childModule(code) }))
        .error,
    ).toMatchObject({ code: 'model_invalid' });
    // An error that it reported counts, however the process ended.
    const failed = `await say('proved'); await fail({ code: 'parity_failed', message: 'off' }); process.abort();`;
    expect((await processes.run(await affine(), { childModule: processes.childModule(failed) })).error).toMatchObject({
      code: 'parity_failed',
    });
  });

  it('is bounded in memory', async () => {
    const code = `globalThis.kept = []; for (;;) { kept.push(Buffer.alloc(8 * 1024 ** 2, 1)); await delay(20); }`;
    const limits = { memoryBytes: 300 * 1024 ** 2 };
    const { error, pid } = await processes.run(await affine(), { limits, childModule: processes.childModule(code) });
    expect(error).toMatchObject(
      saying('model_invalid', /registering the model took more than 300 MiB of memory while proving it/),
    );
    expect(isRunning(pid)).toBe(false);
  });

  it.each([
    ['waits', `setInterval(() => {}, 1000);`],
    ['never yields its thread', `for (;;);`],
    ['ignores signals', `process.on('SIGTERM', () => {}); process.on('SIGINT', () => {}); for (;;);`],
    ['has sent its last message', `await say('proved'); for (;;);`],
  ])('is bounded in time if it %s', async (_, code) => {
    const limits = { timeoutMs: 1_500 };
    const { error, pid, ms } = await processes.run(await affine(), {
      limits,
      childModule: processes.childModule(code),
    });
    expect(error).toMatchObject(
      saying('model_invalid', /registering the model took more than 1\.5 s; it was (compiling|proving)/),
    );
    expect(ms).toBeLessThan(60_000);
    expect(isRunning(pid)).toBe(false);
  });

  it('is bounded before its first message, with a real model', async () => {
    const { error } = await processes.run(await affine(), { limits: { timeoutMs: 20 } });
    expect(error).toMatchObject(saying('model_invalid', /took more than 0\.02 s; it was compiling/));
    const { error: memory } = await processes.run(await affine(), { limits: { memoryBytes: 1024 ** 2 } });
    expect(memory).toMatchObject(saying('model_invalid', /took more than 1 MiB of memory while compiling it/));
  });
});

describe('an abort', () => {
  it('ends the process at once', async () => {
    const stop = new AbortController();
    const childModule = processes.childModule(`for (;;);`);
    const { error, pid, messages, ms } = await processes.run(await affine(), {
      childModule,
      signal: stop.signal,
      onMessage: async () => stop.abort(),
    });
    expect(error).toMatchObject(saying('shutting_down', /another worker registers/));
    expect(messages).toHaveLength(1);
    expect(isRunning(pid)).toBe(false);
    expect(ms).toBeLessThan(60_000);
  });

  it('before the start: starts no process', async () => {
    const { error, messages, ms } = await processes.run(await affine(), { signal: AbortSignal.abort() });
    // Not an error of the model: its job goes to another worker.
    expect(error).toMatchObject(saying('shutting_down', /another worker registers/));
    expect([messages, ms < 1_000]).toEqual([[], true]);
  });

  it('after the end: changes nothing, and leaves no listener', async () => {
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
    const childModule = processes.childModule(`await say('proved'); process.exit(0);`);
    expect((await processes.run(await affine(), { childModule, signal: stop.signal })).error).toBeUndefined();
    expect(listeners).toBe(0);
    stop.abort();
  });
});

/** A check call for the fixture `slow` that never returns from native code. */
function endlessCheck(): string {
  const path = join(processes.emptyFolder(), 'check.safetensors');
  const steps = new Uint8Array(BigInt64Array.of(1_000_000_000n).buffer);
  const tensors: Tensor[] = [
    { name: '0.in.0', datatype: 'INT64', shape: [1], data: steps },
    { name: '0.out.0', datatype: 'FP32', shape: [1], data: new Uint8Array(4) },
  ];
  writeFileSync(path, encodeSafetensors(tensors));
  return path;
}

it('a model that never returns is ended by the time limit', async () => {
  const task = processes.optimiseTask(fixturePath('slow'), { checkPath: endlessCheck() });
  const { error } = await processes.run(task, { limits: { timeoutMs: 4_000 } });
  expect(error).toMatchObject(saying('model_invalid', /took more than 4 s; it was optimising/));
});

it.runIf(process.platform === 'linux')(
  'a process whose worker is gone ends itself, even from within native code',
  async () => {
    const task = processes.optimiseTask(fixturePath('slow'), { checkPath: endlessCheck() });
    const parent = join(folder, 'parent.mjs');
    // Ends when the process that it forked has been busy for longer than a start takes.
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
