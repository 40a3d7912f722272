import { beforeAll, describe, expect, it } from 'vitest';
import { SconceClient } from '@sconce/client';
import { atEndOfFile, eventually } from '@sconce/testing';
import type { Tensor } from '@sconce/tensor';
import { ScoringService } from '../../examples/internal-service/scoring-service.ts';
import { bytesOf } from '../support/rows.ts';
import { startStack, type Stack } from '../support/stack.ts';

// Runs the example of an internal service, which submits work without HTTP.

const x = (values: readonly number[]): Tensor => ({
  name: 'x',
  datatype: 'FP32',
  shape: [values.length / 4, 4],
  data: new Uint8Array(Float32Array.from(values).buffer),
});
const trace = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' };

let stack: Stack;
let service: ScoringService;

beforeAll(async () => {
  stack = await startStack();
  await stack.push('affine');
  service = await ScoringService.open({
    redisUrl: stack.redis.url,
    data: stack.data,
    onError: (error) => process.stderr.write(`${error.message}\n`),
  });
  atEndOfFile(() => service.close());
});

const spanNames = (): string[] =>
  stack.collector.spans.filter(({ traceId }) => traceId === trace.traceparent.split('-')[1]).map(({ name }) => name);

describe('an internal service', () => {
  it('submits jobs and fetches their outputs in its own trace', async () => {
    const id = await service.submitJob('affine', [x([1, 2, 3, 4])], trace);
    const [y] = await eventually(
      async () => {
        const outputs = await service.resultOf(id);
        if (outputs === undefined) throw new Error('not yet');
        return outputs;
      },
      { timeoutMs: 10_000 },
    );
    expect(Array.from(new Float32Array(Uint8Array.from(y!.data).buffer))).toEqual([3, 5, 7, 9]);
    await eventually(() => expect(spanNames()).toEqual(expect.arrayContaining(['sconce.queue', 'sconce.run'])), {
      timeoutMs: 10_000,
    });
  });

  it('submits datasets, which HTTP clients see as batches', async () => {
    const { id } = await service.scoreDataset(
      { model: 'affine', inputs: { x: ['a', 'b', 'c', 'd'] } },
      Buffer.from('a,b,c,d\n1,2,3,4\n'),
      { filename: 'rows.csv', trace },
    );
    const client = new SconceClient({ url: stack.url });
    expect(await client.batches.wait(id)).toMatchObject({ status: 'completed' });
    expect((await service.batch(id)).rowsDone).toBe(1);
    expect((await bytesOf(await client.batches.output(id))).toString()).toBe('y_0,y_1,y_2,y_3\n3,5,7,9\n');
    await eventually(() => expect(spanNames()).toContain('sconce.chunk'), { timeoutMs: 10_000 });
  });

  it('gets the same refusals as HTTP clients', async () => {
    await expect(service.submitJob('affine', [x([1, 2, 3])])).rejects.toMatchObject({
      code: 'invalid_tensor',
      details: { param: 'x' },
    });
    await expect(service.submitJob('none', [])).rejects.toMatchObject({ code: 'model_not_found' });
    await expect(
      service.scoreDataset({ model: 'affine', priority: 1_000 }, Buffer.from(''), { filename: 'rows.csv' }),
    ).rejects.toMatchObject({ code: 'invalid_request', details: { param: 'priority' } });
  });
});
