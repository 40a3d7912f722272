import { beforeAll, describe, expect, it } from 'vitest';
import { batchScorer } from '../support/batch-scorer.ts';
import { affineRequest, json, startStack, type Stack } from '../support/stack.ts';

// A run that ends its process costs at most one worker, and no other caller an answer. Later runs of its kind cost no worker.

const MIB = 1024 ** 2;
/** The caller of a fatal request has its error by then. A machine that runs other tests beside this one is slower. */
const ANSWER_MS = 10_000;

let stack: Stack;
beforeAll(async () => {
  const env = { SCONCE_MAX_RUN_MS: '1500', SCONCE_MAX_RUN_MEMORY_BYTES: String(256 * MIB), SCONCE_THREADS: '2' };
  stack = await startStack({ workers: 2, env });
  const models = ['affine', 'recurrent', 'masked', 'positive', 'quadratic', 'slow'] as const;
  await Promise.all(models.map((model) => stack.push(model)));
}, 60_000);

const series = (rows: number, value = 1): object => ({
  name: 'x',
  datatype: 'FP32',
  shape: [rows, 5, 3],
  data: Array<number>(rows * 15).fill(value),
});
const mask = (values: boolean[]): object => ({ name: 'mask', datatype: 'BOOL', shape: [values.length], data: values });
const steps = (count: number): object => ({ name: 'steps', datatype: 'INT64', shape: [1], data: [count] });
const infer = (model: string, inputs: object[]): Promise<Response> =>
  stack.fetch(`/v2/models/${model}/infer`, json({ inputs }));

/** Workers that have ended since the last call; each is replaced. */
async function replaceDead(): Promise<number> {
  const dead = stack.workers.filter(({ child }) => child.exitCode !== null || child.signalCode !== null);
  for (const worker of dead) stack.workers.splice(stack.workers.indexOf(worker), 1);
  await Promise.all(dead.map(() => stack.startWorker()));
  return dead.length;
}

/** Sends requests of another model one after the other while `work` goes on. Returns what went wrong. */
async function withBystander<T>(work: () => Promise<T>): Promise<{ result: T; refused: number[] }> {
  let isOver = false;
  const refused: number[] = [];
  const bystander = (async () => {
    while (!isOver) {
      const { status } = await stack.fetch('/v2/models/affine/infer', affineRequest([[1, 2, 3, 4]]));
      if (status !== 200) refused.push(status);
      const { status: health } = await stack.fetch('/v2/health/live');
      if (health !== 200) refused.push(health);
    }
  })();
  const result = await work().finally(() => (isOver = true));
  await bystander;
  return { result, refused };
}

interface Case {
  readonly what: string;
  readonly model: string;
  readonly fatal: object[];
  readonly good: object[];
  /** Whether requests may share a run. Rows of others would keep a request without rows from being fatal. */
  readonly merges?: boolean;
  readonly error: RegExp;
  /** Workers that the first such request may cost. */
  readonly workers: 0 | 1;
}

describe.each<Case>([
  {
    what: 'a request without rows',
    model: 'recurrent',
    fatal: [series(0)],
    good: [series(2)],
    merges: true,
    error: /ended its process \(SIGABRT/,
    workers: 0,
  },
  {
    what: 'a mask that selects no row',
    model: 'masked',
    fatal: [series(2), mask([false, false])],
    good: [series(2), mask([true, false])],
    error: /ended its process \(SIGABRT/,
    workers: 0,
  },
  {
    // Nothing shows before the run that it selects no row.
    what: 'numbers that select no row',
    model: 'positive',
    fatal: [series(2, -1)],
    good: [series(2)],
    error: /ended its process \(SIGABRT/,
    workers: 1,
  },
  {
    // Values end its loop: the first request of each kind runs alone.
    what: 'a loop that does not end',
    model: 'slow',
    fatal: [steps(1e13)],
    good: [steps(1)],
    error: /over its budget run_ms.*allowed are 1500\..*SCONCE_MAX_RUN_MS/,
    workers: 0,
  },
])('$what', ({ model, fatal, good, merges = false, error, workers }) => {
  it('gets its error at once, and costs one worker at most; others get their answers', async () => {
    const { result, refused } = await withBystander(async () => {
      const startMs = performance.now();
      const beside = merges ? [] : [infer(model, good), infer(model, good)];
      const answers = await Promise.all([infer(model, fatal), ...beside]);
      return { answers, ms: performance.now() - startMs };
    });
    const [culprit, ...others] = result.answers;
    expect([culprit?.status, await culprit?.json()]).toEqual([422, { error: expect.stringMatching(error) as string }]);
    for (const { status } of others) expect(status).toBe(200);
    expect(refused).toEqual([]);
    expect(result.ms).toBeLessThan(ANSWER_MS);
    expect(await replaceDead()).toBeLessThanOrEqual(workers);
  }, 30_000);

  it('costs no worker from then on, in a job neither', async () => {
    const answer = await infer(model, fatal);
    expect([answer.status, await answer.json()]).toEqual([422, { error: expect.stringMatching(error) as string }]);
    const submitted = await stack.fetch('/v1/jobs', json({ model, inputs: fatal }));
    const { id } = (await submitted.json()) as { id: string };
    await expect
      .poll(async () => (await stack.fetch(`/v1/jobs/${id}`)).json(), { timeout: ANSWER_MS })
      .toMatchObject({
        status: 'failed',
        error: { code: /run_ms/.test(error.source) ? 'over_budget' : 'run_crashed' },
      });
    expect(await replaceDead()).toBe(0);
    expect((await infer(model, good)).status).toBe(200);
  }, 30_000);
});

describe('a row of a batch that does not end', () => {
  it('goes to the error file, and costs no worker; the batch goes on', async () => {
    // Of another magnitude than above: no worker knows its kind.
    const rows = [1, 2, 1e12, 3, 4];
    const scorer = batchScorer(stack.url);
    const { result: batch, refused } = await withBystander(() =>
      scorer.score({ model: 'slow' }, `steps\n${rows.join('\n')}\n`),
    );
    expect(batch.request_counts).toEqual({ total: 5, completed: 4, failed: 1 });
    expect((await scorer.errorsOf(batch)).map(({ row, error }) => [row, error.code])).toEqual([[3, 'over_budget']]);
    expect(refused).toEqual([]);
    expect(await replaceDead()).toBe(0);
  }, 60_000);
});

describe('a run that needs more memory than it may take', () => {
  it('is refused with the budget, and costs no worker', async () => {
    const vector = (length: number): object[] => [
      { name: 'x', datatype: 'FP32', shape: [1, length], data: Array<number>(length).fill(1) },
    ];
    const { result, refused } = await withBystander(() =>
      Promise.all([30_000, 30_000, 30_000, 100].map((length) => infer('quadratic', vector(length)))),
    );
    expect(result.map(({ status }) => status)).toEqual([422, 422, 422, 200]);
    expect(await result[0]?.json()).toEqual({
      error: expect.stringMatching(/over its budget run_memory_bytes/) as string,
    });
    expect(refused).toEqual([]);
    expect(await replaceDead()).toBe(0);
  }, 30_000);
});
