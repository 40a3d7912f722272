import { describe, expect, it } from 'vitest';
import { check } from './checker.ts';
import type { AnswerEvent, FaultEvent, HistoryEvent, InvokeEvent } from './events.ts';

// Histories made by hand. Each good one has no violation; each bad one has exactly the violation of its title.

let ops = 0;
/** A call from `from` to `until`, ms. */
function call(
  [from, until]: readonly [number, number],
  invoke: Omit<InvokeEvent, 'type' | 'op' | 'at' | 'owner'> & { owner?: string },
  answer: Partial<AnswerEvent> = {},
): HistoryEvent[] {
  const op = `op-${(ops += 1)}`;
  return [
    { type: 'invoke', op, at: from, owner: 'a', ...invoke },
    { type: 'answer', op, at: until, outcome: 200, ...answer },
  ];
}
const fault = (
  kind: FaultEvent['kind'],
  [from, until]: readonly [number, number],
  process?: string,
): HistoryEvent[] => {
  const id = `fault-${(ops += 1)}`;
  const both = { type: 'fault', fault: id, kind, ...(process === undefined ? {} : { process }) } as const;
  return [
    { ...both, phase: 'begin', at: from },
    { ...both, phase: 'end', at: until },
  ];
};
const end = (at: number): HistoryEvent => ({ type: 'end', at });
const rules = (events: readonly (HistoryEvent | readonly HistoryEvent[])[], slack?: number): string[] =>
  check(events.flat(), slack).map(({ rule }) => rule);

const X = [[1, 2, 3, 4]];
const Y = [[3, 5, 7, 9]];
const infer = { kind: 'infer', model: 'affine', inputs: X, timeoutMs: 15_000 } as const;
const submit = { kind: 'job.submit', thing: 'job-1', model: 'affine', inputs: X } as const;
const read = { kind: 'job.read', thing: 'job-1' } as const;
const again = { kind: 'job.again', thing: 'job-1' } as const;
const result = { kind: 'job.result', thing: 'job-1' } as const;
const BATCH = {
  kind: 'batch.submit',
  thing: 'batch-1',
  model: 'affine',
  inputs: [[1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]],
  badRows: [1],
} as const;
const BATCH_OUTPUT = { kind: 'batch.output', thing: 'batch-1' } as const;
const accepted = call([0, 10], submit, { outcome: 202, id: 'j1', state: 'queued' });
const succeeded = call([100, 110], read, { state: 'succeeded' });

const removed = call([120, 130], { kind: 'job.cancel', thing: 'job-1' }, { state: 'succeeded' });
const ranAgain = call([400, 410], again, { outcome: 202, id: 'j1', state: 'queued' });
const NO_REPLICA = '{"error":{"code":"redis_unavailable","message":"Only 0 of 1 replicas of Redis have the job."}}';

describe('a good history has no violation:', () => {
  it.each<[string, (HistoryEvent | readonly HistoryEvent[])[]]>([
    ['a request', [call([0, 10], infer, { outputs: Y, version: 1 }), end(99_000)]],
    ['a job', [accepted, succeeded, call([120, 130], result, { outputs: Y, version: 1 }), end(99_000)]],
    [
      'a request that another version of its model answers',
      [call([0, 9], { ...infer, model: 'line' }, { outputs: [[7, 11, 15, 19]], version: 3 }), end(99_000)],
    ],
    [
      'a job that somebody cancelled',
      [
        accepted,
        call([20, 30], { kind: 'job.cancel', thing: 'job-1' }, { state: 'cancelled' }),
        call([40, 50], read, { state: 'cancelled' }),
        call([40, 50], result, { outcome: 409 }),
        end(99_000),
      ],
    ],
    [
      'a job that its owner removed after its end',
      [
        accepted,
        succeeded,
        call([120, 130], { kind: 'job.cancel', thing: 'job-1' }, { state: 'succeeded' }),
        call([140, 150], read, { outcome: 404 }),
        call([140, 150], result, { outcome: 404 }),
        call([140, 150], submit, { outcome: 422 }),
        call([160, 170], again, { outcome: 422 }),
        end(99_000),
      ],
    ],
    [
      'a refusal while Redis is stopped, and shortly after it',
      [
        fault('stop-redis', [0, 3_000], 'redis'),
        call([10, 400], infer, { outcome: 503 }),
        call([4_400, 5_000], infer, { outcome: 503 }),
        end(99_000),
      ],
    ],
    [
      'a submission that no replica has yet, some time after a fault of Redis',
      [
        fault('failover', [0, 3_000], 'redis-1'),
        call([9_000, 10_000], submit, { outcome: 503, message: NO_REPLICA }),
        end(99_000),
      ],
    ],
    [
      'a key that runs a job again whose removal a failover took back',
      [accepted, succeeded, removed, fault('failover', [200, 300], 'redis-1'), ranAgain, end(99_000)],
    ],
    [
      'a job that ends late because its worker was killed',
      [
        accepted,
        fault('kill-worker', [15_000, 17_000], 'worker-1'),
        { type: 'process', process: 'worker-1', pid: 1, at: 15_001, phase: 'exit', code: null, signal: 'SIGKILL' },
        call([30_000, 30_010], read, { state: 'succeeded' }),
        end(99_000),
      ],
    ],
    ['poison with its own error', [call([0, 9], { ...infer, poison: 'wrong-shape' }, { outcome: 400 }), end(99_000)]],
    [
      'another owner who finds nothing',
      [accepted, succeeded, call([20, 30], { ...read, kind: 'peek' }, { outcome: 404 })],
    ],
    [
      'rows of a batch, one of them bad',
      [
        call([0, 9], BATCH, { outcome: 200, id: 'b', state: 'validating' }),
        call([90, 99], { kind: 'batch.read', thing: 'batch-1' }, { state: 'completed' }),
        call([100, 110], BATCH_OUTPUT, { rows: [0, 2], failedRows: [1], outputs: [[3, 3, 3, 3, 7, 7, 7, 7]] }),
        end(99_000),
      ],
    ],
    [
      'a job whose end a failover rewinds, and that ends the same again',
      [
        accepted,
        succeeded,
        fault('failover', [200, 3_000], 'redis-1'),
        call([4_000, 4_010], read, { state: 'running' }),
        call([5_000, 5_010], read, { state: 'succeeded' }),
        end(99_000),
      ],
    ],
  ])('%s', (_, events) => {
    expect(check(events.flat())).toEqual([]);
  });
});

describe('a bad history has one violation:', () => {
  it.each<[string, string, (HistoryEvent | readonly HistoryEvent[])[]]>([
    ['hung', 'a request without an answer', [call([0, 10], infer).slice(0, 1), end(99_000)]],
    ['late', 'a slow answer that no fault explains', [call([0, 9_000], infer, { outputs: Y }), end(99_000)]],
    [
      'late',
      'a request that a fault of its worker delays beyond its timeout',
      [
        fault('stop-worker', [0, 60_000], 'worker-1'),
        call([10, 30_000], { ...infer, timeoutMs: 15_000 }, { outcome: 200, outputs: Y }),
        end(199_000),
      ],
    ],
    ['wrong answer', 'a wrong number', [call([0, 10], infer, { outputs: [[3, 5, 7, 9.1]] }), end(99_000)]],
    ['wrong answer', 'an answer without outputs', [call([0, 10], infer), end(99_000)]],
    ['wrong answer', 'an answer of another size', [call([0, 10], infer, { outputs: [[3, 5, 7]] }), end(99_000)]],
    [
      'wrong answer',
      'the outputs of another version than the one that answered',
      [call([0, 10], { ...infer, model: 'line' }, { outputs: Y, version: 2 }), end(99_000)],
    ],
    [
      'wrong answer',
      'the result of a job',
      [accepted, succeeded, call([120, 130], result, { outputs: [[1, 2, 3, 4]] })],
    ],
    ['charged', 'an error without a fault', [call([0, 10], infer, { outcome: 500 }), end(99_000)]],
    ['charged', 'a refusal without a fault', [call([0, 10], infer, { outcome: 429 }), end(99_000)]],
    [
      'charged',
      'an error that the fault of this time does not explain',
      [fault('kill-worker', [0, 100], 'worker-1'), call([0, 10], infer, { outcome: 503 }), end(99_000)],
    ],
    [
      'charged',
      'an error some time after a fault, although it still explains delays',
      [fault('stop-redis', [0, 3_000], 'redis'), call([5_000, 5_100], infer, { outcome: 503 }), end(99_000)],
    ],
    [
      'charged',
      'a refusal while somebody else sends poison',
      [
        call([0, 9], { ...infer, poison: 'endless-loop' }, { outcome: 422 }),
        call([0, 10], { ...infer, owner: 'b' }, { outcome: 503 }),
        end(99_000),
      ],
    ],
    ['charged', 'a good job that fails', [accepted, call([100, 110], read, { state: 'failed', code: 'worker_lost' })]],
    ['charged', 'a job that nobody cancelled', [accepted, call([100, 110], read, { state: 'cancelled' }), end(99_000)]],
    [
      'poison',
      'poison with an error of the server',
      [call([0, 9], { ...infer, poison: 'deep-json' }, { outcome: 500 })],
    ],
    ['lost', 'a job that is not known any more', [accepted, call([50, 60], read, { outcome: 404 })]],
    ['lost', 'a job that never ends', [accepted, call([50, 60], read, { state: 'running' }), end(99_000)]],
    [
      'late',
      'a job that ends long after its time',
      [
        accepted,
        call([60_000, 60_010], read, { state: 'running' }),
        call([61_000, 61_010], read, { state: 'succeeded' }),
        end(99_000),
      ],
    ],
    [
      'ended twice',
      'a batch that completed and was cancelled',
      [
        call([0, 9], BATCH, { id: 'b', state: 'validating' }),
        call([90, 99], { kind: 'batch.read', thing: 'batch-1' }, { state: 'completed' }),
        call([100, 109], { kind: 'batch.cancel', thing: 'batch-1' }),
        call([110, 119], { kind: 'batch.read', thing: 'batch-1' }, { state: 'cancelled' }),
        end(99_000),
      ],
    ],
    [
      'ended twice',
      'a job that runs again after it ended',
      [accepted, succeeded, call([150, 160], read, { state: 'running' }), end(99_000)],
    ],
    [
      'accepted twice',
      'an Idempotency-Key that gives two jobs',
      [accepted, call([11, 20], submit, { outcome: 202, id: 'j2' }), succeeded, end(99_000)],
    ],
    ['ran again', 'a key that runs a job again after its removal', [accepted, succeeded, removed, ranAgain]],
    [
      'charged',
      'a submission that no replica has, without a fault of Redis',
      [call([0, 10], submit, { outcome: 503, message: NO_REPLICA }), end(99_000)],
    ],
    [
      'owner',
      'another owner who reads a job',
      [accepted, succeeded, call([50, 60], { ...read, kind: 'peek', owner: 'b' }, { state: 'running' })],
    ],
    [
      'wrong answer',
      'a row of a batch that comes twice',
      [
        call([0, 9], BATCH, { id: 'b', state: 'validating' }),
        call([90, 99], { kind: 'batch.read', thing: 'batch-1' }, { state: 'completed' }),
        call([100, 110], BATCH_OUTPUT, { rows: [0, 2, 2], failedRows: [1], outputs: [[3, 3, 3, 3, 7, 7, 7, 7]] }),
      ],
    ],
    [
      'process ended',
      'a worker that ends by itself',
      [{ type: 'process', process: 'worker-1', pid: 1, at: 9, phase: 'exit', code: 1, signal: null }],
    ],
    [
      'process ended',
      'a worker that does not drain when it is told to',
      [
        fault('drain-worker', [0, 900], 'worker-1'),
        { type: 'process', process: 'worker-1', pid: 1, at: 9, phase: 'exit', code: 1, signal: null },
      ],
    ],
    [
      'process ended',
      'a second worker that the same poison ends',
      [
        call([0, 9], { ...infer, poison: 'endless-loop' }, { outcome: 422 }),
        { type: 'process', process: 'worker-1', pid: 1, at: 9, phase: 'exit', code: 1, signal: null },
        { type: 'process', process: 'worker-2', pid: 2, at: 20, phase: 'exit', code: 1, signal: null },
      ],
    ],
    [
      'memory',
      'an API above its limit',
      [{ type: 'sample', process: 'api', pid: 1, at: 9, rssBytes: 1.1 * 1024 ** 3 }],
    ],
    [
      'left',
      'a failed chunk that nobody owns',
      [{ type: 'left', at: 9, where: 'failed of sconce.default.batch', count: 1 }],
    ],
  ])('%s: %s', (rule, _, events) => {
    expect(rules(events)).toEqual([rule]);
  });
});

it('multiplies bounds of time by the slack', () => {
  const slow = [call([0, 9_000], infer, { outputs: Y }), end(99_000)];
  expect([rules(slow), rules(slow, 2)]).toEqual([['late'], []]);
});
