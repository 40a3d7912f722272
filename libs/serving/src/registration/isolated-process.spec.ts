import { copyFileSync, existsSync, readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { SconceError } from '@sconce/errors';
import { PROCESS_ENVIRONMENT } from '@sconce/runtime/process-environment';
import { failOnLeaks, fixturePath, temporaryFolder } from '@sconce/testing';
import { digestOf } from './optimise-model.ts';
import type { Proved, RegistrationTask } from './registration-task.ts';
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

describe('a registration process', () => {
  it('registers a model, and reports each stage in order', async () => {
    const task = await affine();
    const { error, messages } = await processes.run(task);
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
    const task = processes.optimiseTask(fixturePath('affine'), { save });
    const { error, messages } = await processes.run(task);
    expect(error).toBeUndefined();
    expect(messages.map(({ kind }) => kind)).toEqual(['optimised']);
    expect(existsSync(join(task.folder, 'model.onnx'))).toBe(save !== 'nothing');
  });

  it.each<[what: string, task: () => Promise<RegistrationTask> | RegistrationTask, code: string, message: RegExp]>([
    [
      'a file that is not the one that was pushed',
      () => processes.registerTask(fixturePath('affine'), 'ff'),
      'model_corrupt',
      /push it/,
    ],
    [
      'half a model',
      async () => {
        const path = join(processes.emptyFolder(), 'half.onnx');
        copyFileSync(fixturePath('every-type'), path);
        truncateSync(path, readFileSync(path).length / 2);
        return processes.registerTask(path, await digestOf(path));
      },
      'model_invalid',
      /refused the model/,
    ],
    ['a model that does not exist', () => processes.optimiseTask(join(folder, 'none.onnx')), 'model_invalid', /./],
    [
      'a check call that does not exist',
      () => processes.optimiseTask(fixturePath('affine'), { checkPath: join(folder, 'none') }),
      'model_not_found',
      /is gone/,
    ],
  ])('fails with the error of its task: %s', async (_, task, code, message) => {
    const { error, messages } = await processes.run(await task());
    expect(error).toMatchObject(saying(code, message));
    expect(messages).toEqual([]);
  });

  it('passes on an error with its details', async () => {
    const failure = { code: 'parity_failed', message: 'off', details: { param: 'y' } };
    const { error } = await processes.run(await affine(), {
      childModule: processes.childModule(`await fail(${JSON.stringify(failure)})`),
    });
    expect(error).toMatchObject(failure);
  });

  it('has no variable of the worker’s environment', async () => {
    process.env['SCONCE_SPEC_SECRET'] = 'secret';
    const { messages } = await processes.run(await affine(), {
      childModule: processes.childModule(`await say('proved', JSON.stringify(process.env)); process.exit(0);`),
    });
    delete process.env['SCONCE_SPEC_SECRET'];
    const [, proved] = messages;
    expect(JSON.parse((proved as Proved).warnings[0] ?? '')).toEqual({
      ...PROCESS_ENVIRONMENT,
      MALLOC_TRIM_THRESHOLD_: '131072',
    });
  });

  it('has the lowest priority for the processors', async () => {
    const code = `
      const { getPriority } = await import('node:os');
      for (let i = 0; i < 200 && getPriority() !== 19; i++) await delay(10);
      await say('proved', String(getPriority()));
      process.exit(0);`;
    const { messages } = await processes.run(await affine(), { childModule: processes.childModule(code) });
    expect(messages[1]).toMatchObject({ warnings: ['19'] });
  });
});

describe('the handler of messages', () => {
  it('is called for one message after the other, and is waited for', async () => {
    const events: string[] = [];
    const code = `for (let i = 1; i < 20; i++) await say('compiled', String(i)); await say('proved', 'last'); process.exit(0);`;
    const { error } = await processes.run(await affine(), {
      childModule: processes.childModule(code),
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

  it('is waited for if the process fails, too', async () => {
    const done: string[] = [];
    const { error } = await processes.run(await affine(), {
      childModule: processes.childModule(`await fail({ code: 'parity_failed', message: 'off' }); process.exit(0);`),
      onMessage: async ({ kind }) => {
        await delay(300);
        done.push(kind);
      },
    });
    expect(error).toMatchObject({ code: 'parity_failed' });
    expect(done).toEqual(['compiled']);
  });

  it('may take longer than the time limit of the process', async () => {
    const timeoutMs = 4_000;
    const startMs = performance.now();
    const { error, messages } = await processes.run(await affine(), {
      limits: { timeoutMs },
      childModule: processes.childModule(`await say('proved'); process.exit(0);`),
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
      'a SconceError',
      new SconceError('model_not_found', 'gone', { details: { param: 'm' } }),
      { code: 'model_not_found', message: 'gone', details: { param: 'm' } },
    ],
  ])('ends the process if it throws %s', async (_, thrown, expected) => {
    const { error, pid, messages } = await processes.run(await affine(), {
      childModule: processes.childModule(`await say('proved'); for (;;);`),
      onMessage: () => Promise.reject(thrown as Error),
    });
    expect(error).toMatchObject({ name: 'SconceError', ...expected });
    expect(messages.map(({ kind }) => kind)).toEqual(['compiled']);
    expect(isRunning(pid)).toBe(false);
  });

  it('fails the task if it throws after the process has ended', async () => {
    const { error } = await processes.run(await affine(), {
      childModule: processes.childModule(`await say('proved'); process.exit(0);`),
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
    const { error } = await processes.run(await affine());
    expect(error).toMatchObject(saying('internal', /the process for the registration could not be started/));
    await delay(100);
    expect(uncaught).toEqual([]);
  } finally {
    process.execPath = execPath;
    process.off('uncaughtException', listen);
  }
});
