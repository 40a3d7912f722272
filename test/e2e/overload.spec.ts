import { expect, it } from 'vitest';
import { json, startStack, type Stack } from '../support/stack.ts';

// Work over the backlog limit is refused. Accepted work is answered.

async function ended(stack: Stack, id: string): Promise<unknown> {
  let job: unknown;
  await expect
    .poll(
      async () => {
        job = await (await stack.fetch(`/v1/jobs/${id}`)).json();
        return (job as { status: string }).status;
      },
      { timeout: 20_000 },
    )
    .not.toMatch(/queued|running/);
  return job;
}

it('answers 429 with Retry-After, and accepts jobs again when the backlog is gone', async () => {
  const stack = await startStack({ env: { SCONCE_MAX_BACKLOG: '5' } });
  await stack.push('slow');
  const submit = (steps: number): Promise<Response> =>
    stack.fetch(
      '/v1/jobs',
      json({ model: 'slow', inputs: [{ name: 'steps', datatype: 'INT64', shape: [1], data: [steps] }] }),
    );
  const responses = [];
  for (let n = 0; n < 40; n += 1) responses.push(await submit(2_000));
  const refused = responses.filter((response) => response.status === 429);
  expect(refused.length).toBeGreaterThan(0);
  expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  expect(await refused[0]?.json()).toMatchObject({ error: { code: 'queue_full', type: 'rate_limit_error' } });
  const accepted = responses.filter((response) => response.status === 202);
  expect(accepted.length + refused.length).toBe(40);
  for (const response of accepted) {
    const { id } = (await response.json()) as { id: string };
    expect(await ended(stack, id)).toMatchObject({ status: 'succeeded' });
  }
  await expect.poll(async () => (await submit(1)).status, { timeout: 20_000 }).toBe(202);
});
