import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SconceError, overBudget } from '@sconce/errors';
import type { SuspectKind } from '@sconce/queue';
import type { BatchReply, BatchRequest, BatchableModel } from '@sconce/runtime';
import { createLogger } from '@sconce/telemetry';
import { GuardedRuns } from './guarded-runs.ts';

const REPLY: BatchReply = { outputs: [], runs: [] };
const CRASH = new SconceError('run_crashed', 'The run ended its process (SIGABRT).', { details: { ended: 'SIGABRT' } });
const TIME = overBudget({ field: 'run_ms', limit: 10, value: 11, setting: 'SCONCE_MAX_RUN_MS' });
const MEMORY = overBudget({ field: 'run_memory_bytes', limit: 10, value: 11, setting: 'SCONCE_MAX_RUN_MEMORY_BYTES' });

const X = { name: 'x', datatype: 'FP32', data: new Uint8Array(8) } as const;

function requestOf(over: Partial<BatchRequest> & { rows?: number } = {}): BatchRequest {
  const { rows = 1, ...more } = over;
  const about = { name: 'm', version: '1', axis: 'dynamic', rowInputs: new Set(['x']), file: { key: 'm' } };
  const model = about as unknown as BatchableModel;
  return { model, inputs: [{ ...X, shape: [rows, 1] }], outputs: [], lane: 'online', ...more };
}

/** Where requests ran, and what the sacrificial process does with them. */
let ran: string[];
let stored: SuspectKind[];
let alone: (request: BatchRequest) => Promise<BatchReply>;
let unloadable: string[];
let told: string[];

function newGuard(merged = (_: BatchRequest): Promise<BatchReply> => Promise.resolve(REPLY)): GuardedRuns {
  return new GuardedRuns({
    batcher: { submit: (request) => merged(request).finally(() => ran.push('merged')) },
    alone: { submit: (request) => alone(request).finally(() => ran.push('alone')) },
    kinds: { add: (kind) => Promise.resolve(void stored.push(kind)), all: () => Promise.resolve(stored) },
    onAlone: (model, outcome) => told.push(`${model} ${outcome}`),
    onUnloadable: (model, version) => unloadable.push(`${model}/${version}`),
    logger: createLogger({ service: 'worker', level: 'silent' }),
  });
}

beforeEach(() => {
  [ran, stored, unloadable, told] = [[], [], [], []];
  alone = () => Promise.resolve(REPLY);
});
afterEach(() => vi.useRealTimers());

const dies = (error: SconceError) => (): Promise<never> => Promise.reject(error);
const suspect = { suspect: true } as const;

describe('GuardedRuns', () => {
  it('runs a suspect alone and all other requests merged', async () => {
    const guard = newGuard();
    await guard.submit(requestOf());
    await guard.submit(requestOf(suspect));
    await guard.submit(requestOf());
    expect(ran).toEqual(['merged', 'alone', 'merged']);
    expect(stored).toEqual([]);
    expect(told).toEqual(['m ok']);
    alone = dies(CRASH);
    await expect(guard.submit(requestOf(suspect))).rejects.toBe(CRASH);
    expect(told).toEqual(['m ok', 'm run_crashed']);
  });

  it.each([undefined, suspect])(
    'asks why the files of a model are gone, and passes other errors on (%j)',
    async (over) => {
      const away = new SconceError('storage_unavailable', 'the storage folder is away');
      let thrown = new SconceError('model_not_found', 'A file of the model is gone.');
      const failing = { submit: () => Promise.reject(thrown) };
      const asked: string[] = [];
      const guard = new GuardedRuns({
        batcher: failing,
        alone: failing,
        whenGone: ({ model }) => {
          asked.push(model.name);
          return Promise.resolve(away);
        },
        logger: createLogger({ service: 'worker', level: 'silent' }),
      });
      await expect(guard.submit(requestOf(over))).rejects.toBe(away);
      thrown = new SconceError('invalid_input', 'An index is out of range.');
      await expect(guard.submit(requestOf(over))).rejects.toBe(thrown);
      expect(asked).toEqual(['m']);
    },
  );

  it.each([
    ['crashed', CRASH],
    ['took too long', TIME],
    ['took too much memory', MEMORY],
  ])('runs requests of the kind and owner of a run that %s alone from then on, in all workers', async (_, error) => {
    const [guard, other] = [newGuard(), newGuard()];
    alone = dies(error);
    await expect(guard.submit(requestOf({ ...suspect, owner: 'a' }))).rejects.toBe(error);
    alone = () => Promise.resolve(REPLY);
    expect(stored).toEqual([{ model: 'm', version: '1', kind: '[n,1]', owner: 'a' }]);
    await other.refresh();
    for (const worker of [guard, other]) {
      ran = [];
      await worker.submit(requestOf({ owner: 'a' }));
      await worker.submit(requestOf({ owner: 'a', inputs: [{ ...X, shape: [1, 2] }] }));
      await worker.submit(requestOf({ owner: 'b' }));
      await worker.submit(requestOf({ owner: 'a', model: { ...requestOf().model, version: '2' } }));
      expect(ran).toEqual(['alone', 'merged', 'merged', 'merged']);
    }
  });

  it('runs a kind of two owners alone for all others too', async () => {
    const guard = newGuard();
    alone = dies(CRASH);
    for (const owner of ['a', 'b']) await guard.submit(requestOf({ ...suspect, owner })).catch(() => undefined);
    ran = [];
    await guard.submit(requestOf({ owner: 'c' })).catch(() => undefined);
    expect(ran).toEqual(['alone']);
  });

  it('runs the first request of a kind with an empty axis or an empty mask alone, until one of the kind has succeeded', async () => {
    const guard = newGuard();
    const mask = (...values: number[]): Partial<BatchRequest> => ({
      inputs: [{ name: 'x', datatype: 'BOOL', shape: [values.length], data: Uint8Array.from(values) }],
    });
    const order = [requestOf({ rows: 0 }), requestOf({ rows: 0 }), requestOf(mask(0, 0)), requestOf(mask(0, 1))];
    for (const one of order) await guard.submit(one);
    expect(ran).toEqual(['alone', 'merged', 'alone', 'merged']);
  });

  describe('of an unbounded model', () => {
    const unbounded = (count: number, owner?: string): BatchRequest => {
      const data = new Uint8Array(BigInt64Array.of(BigInt(count)).buffer);
      const model = { ...requestOf().model, unbounded: true, axis: 'none', file: { key: 'm' } } as BatchableModel;
      return requestOf({ owner, model, inputs: [{ name: 'steps', datatype: 'INT64', shape: [1], data }] });
    };

    it('runs the first request of each kind alone, and the others merged once it has ended', async () => {
      const guard = newGuard();
      await Promise.all([guard.submit(unbounded(9)), guard.submit(unbounded(12)), guard.submit(unbounded(15))]);
      await guard.submit(unbounded(10, 'other'));
      expect(ran).toEqual(['alone', 'merged', 'merged', 'merged']);
      await guard.submit(unbounded(1e13));
      expect(ran.slice(4)).toEqual(['alone']);
    });

    it('tries the runs of a request one by one: those of a kind that is proved run in threads', async () => {
      const data = new Uint8Array(BigInt64Array.of(1n, 2n, 3n, 2n, 1_000n).buffer);
      const { model } = unbounded(1);
      const request = { ...unbounded(1), model: { ...model, axis: 'locked' as const, rowInputs: new Set(['steps']) } };
      const echo = (one: BatchRequest): Promise<BatchReply> => Promise.resolve({ outputs: one.inputs, runs: [] });
      alone = echo;
      const guard = newGuard(echo);
      const inputs = [{ name: 'steps', datatype: 'INT64', shape: [5], data } as const];
      const reply = await guard.submit({ ...request, inputs, runRows: 1 });
      expect(reply.outputs[0]).toMatchObject({ shape: [5] });
      expect(Buffer.from(reply.outputs[0]?.data ?? [])).toEqual(Buffer.from(data));
      // 1; 2 and 3, of which one is tried; 1,000.
      expect(ran.toSorted()).toEqual(['alone', 'alone', 'alone', 'merged', 'merged']);
    });

    it('tries a kind again alone after a run that failed, and never merged', async () => {
      const guard = newGuard();
      alone = dies(TIME);
      const all = [unbounded(1e13), unbounded(1e13), unbounded(1e13, 'other')].map((one) => guard.submit(one));
      for (const one of all) await expect(one).rejects.toBe(TIME);
      expect(ran).toEqual(['alone', 'alone', 'alone']);
    });
  });

  it.each(['invalid_input', 'inference_failed', 'invalid_tensor'] as const)(
    'keeps no kind for a run that only failed (%s)',
    async (code) => {
      const guard = newGuard();
      alone = dies(new SconceError(code, 'no'));
      await expect(guard.submit(requestOf(suspect))).rejects.toMatchObject({ code });
      expect(stored).toEqual([]);
    },
  );

  it.each([
    ['out_of_memory', 'alone'],
    ['thread_crashed', 'alone'],
    ['inference_failed', undefined],
    ['invalid_input', undefined],
  ] as const)('after %s in a thread, the request runs %s', async (code, where) => {
    const guard = newGuard();
    const error = new SconceError(code, 'no');
    const again = guard.again(requestOf(), error);
    if (where === undefined) await expect(again).rejects.toBe(error);
    else expect(await again).toBe(REPLY);
    expect(ran).toEqual(where === undefined ? [] : [where]);
    await expect(guard.again(requestOf(suspect), error)).rejects.toBe(error);
  });

  it.each([
    ['eight deaths in a row', CRASH, 8, 0],
    ['three deaths that took long', TIME, 3, 4_000],
  ])('refuses a kind after %s, for half a minute; a success begins the count again', async (_, error, most, tookMs) => {
    vi.useFakeTimers();
    const guard = newGuard();
    const fatal = async (): Promise<never> => {
      await vi.advanceTimersByTimeAsync(tookMs);
      throw error;
    };
    const attempt = (): Promise<unknown> => guard.submit(requestOf(suspect)).catch((failure: unknown) => failure);
    alone = fatal;
    for (let death = 1; death < most; death++) await attempt();
    alone = () => Promise.resolve(REPLY);
    expect(await attempt()).toBe(REPLY);
    alone = fatal;
    for (let death = 0; death < most; death++) await attempt();
    ran = [];
    expect(await attempt()).toMatchObject({
      code: error.code,
      message: expect.stringMatching(new RegExp(`The last ${most} requests of this kind ended so`)) as string,
    });
    expect(ran).toEqual([]);
    await guard.submit(requestOf({ ...suspect, owner: 'other' })).catch(() => undefined);
    expect(ran).toEqual(['alone']);
    vi.advanceTimersByTime(30_001);
    alone = () => Promise.resolve(REPLY);
    expect(await attempt()).toBe(REPLY);
  });

  it('reports a version that cannot be loaded, and blames no kind', async () => {
    const guard = newGuard();
    alone = dies(new SconceError('model_not_ready', 'no', { details: { isUnloadable: true } }));
    await expect(guard.submit(requestOf(suspect))).rejects.toMatchObject({ code: 'model_not_ready' });
    expect([unloadable, stored]).toEqual([['m/1'], []]);
  });
});
