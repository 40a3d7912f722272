import { beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '@sconce/testing';
import { affineRequest, json, startStack, type Stack } from '../support/stack.ts';

// A hung run cannot be interrupted. The worker runs its request again alone, in a process that it can end, and ends itself later.

/** The model `below` counts until the sum is not below -1,000. The kind of a request does not show whether that is ever so. */
const sums = (...x: number[]): object[] => [{ name: 'x', datatype: 'FP32', shape: [2], data: x }];
const ENDS = sums(5_000, 1_000);
const ENDLESS = sums(-5_000, 1_000);

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ workers: 1, env: { SCONCE_MAX_RUN_MS: '1500' } });
  await Promise.all([stack.push('affine'), stack.push('below')]);
});

const infer = (inputs: object[]): Promise<Response> => stack.fetch('/v2/models/below/infer', json({ inputs }));

describe('a run that does not end', () => {
  it('delays nobody: its callers get the reason, then its worker ends; the model is served on', async () => {
    expect((await infer(ENDS)).status).toBe(200);
    const endless = infer(ENDLESS);
    const submitted = await stack.fetch('/v1/jobs', json({ model: 'below', inputs: ENDLESS }));
    const { id } = (await submitted.json()) as { id: string };
    const bystander = stack.fetch('/v2/models/affine/infer', affineRequest([[1, 2, 3, 4]]));
    const answer = await endless;
    const reason = /over its budget run_ms: its run takes at least \d+ ms; allowed are 1500\..*SCONCE_MAX_RUN_MS/;
    expect([answer.status, await answer.json()]).toEqual([422, { error: expect.stringMatching(reason) as string }]);
    expect((await bystander).status).toBe(200);
    // Other threads serve all others meanwhile. The process ends because of the thread that is left in the run.
    expect(stack.workers[0]?.child.exitCode).toBeNull();
    await eventually(
      () => {
        const { child } = stack.workers[0] ?? {};
        expect([child?.exitCode, child?.signalCode]).toEqual([1, null]);
      },
      { timeoutMs: 20_000 },
    );
    await stack.startWorker();
    await expect
      .poll(async () => (await stack.fetch(`/v1/jobs/${id}`)).json(), { timeout: 20_000 })
      .toMatchObject({ status: 'failed', error: { code: 'over_budget' } });

    expect((await infer(ENDS)).status).toBe(200);
    expect((await stack.fetch('/v2/models/below/ready')).status).toBe(200);
    expect((await infer(ENDLESS)).status).toBe(422);
    expect(stack.workers.at(-1)?.child.exitCode).toBeNull();
  });
});
