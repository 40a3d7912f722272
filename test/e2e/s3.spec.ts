import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { SconceClient } from '@sconce/client';
import { openBlobStore } from '@sconce/storage';
import { startS3Proxy, startS3TestServer } from '@sconce/storage/testing';
import { atEndOfFile, temporaryFolder } from '@sconce/testing';
import { DIGITS_TABLE, bytesOf, digitRows, scoreAll, sha256 } from '../support/rows.ts';
import { affineRequest, startStack } from '../support/stack.ts';

// The whole system with S3: models, datasets and results are in a bucket of a real server.

const DIGITS = fileURLToPath(new URL('../../examples/digits/digits.onnx', import.meta.url));
const ROWS = 30_000;

describe('models, datasets and results in S3', () => {
  it('work as in a folder; a dataset in an allowed bucket is read in place', async () => {
    const server = await startS3TestServer();
    atEndOfFile(() => server.stop());
    const proxy = await startS3Proxy(server.config('models').endpoint ?? '');
    atEndOfFile(() => proxy.close());
    const config = server.config('models');
    const elsewhere = server.config('team');
    const stack = await startStack({
      workers: 2,
      env: {
        SCONCE_DATA: config.root,
        SCONCE_S3_ENDPOINT: proxy.endpoint,
        SCONCE_S3_REGION: config.region ?? 'us-east-1',
        SCONCE_S3_ACCESS_KEY_ID: config.accessKeyId ?? '',
        SCONCE_S3_SECRET_ACCESS_KEY: config.secretAccessKey ?? '',
        SCONCE_S3_CACHE: temporaryFolder('s3-cache'),
        SCONCE_DATASET_ROOTS: elsewhere.root,
      },
    });
    await Promise.all([stack.push('affine'), stack.pushFile(DIGITS, 'digits')]);
    const answer = await stack.fetch('/v2/models/affine/infer', affineRequest([[1, 2, 3, 4]]));
    expect(await answer.json()).toMatchObject({ outputs: [{ data: [3, 5, 7, 9] }] });

    const client = new SconceClient({ url: stack.url });
    const dataset = digitRows(ROWS);
    const uploaded = await scoreAll(stack.url, DIGITS_TABLE, dataset);
    expect(uploaded.request_counts).toEqual({ total: ROWS, completed: ROWS, failed: 0 });
    const results = await bytesOf(await client.batches.output(uploaded.id));
    expect(results.toString('latin1').split('\n').length).toBe(ROWS + 1);

    const team = await openBlobStore(elsewhere);
    await team.put('rows.csv', dataset, { maxBytes: dataset.byteLength });
    const { id } = await client.batches.create({
      ...DIGITS_TABLE,
      input_url: `${elsewhere.root.replace(/\/$/, '')}/rows.csv`,
    });
    expect(await client.batches.wait(id)).toMatchObject({ status: 'completed' });
    expect(sha256(await bytesOf(await client.batches.output(id)))).toBe(sha256(results));

    // The bucket is away for longer than the attempts of a queue job take: that delays a batch, and no more.
    const delayed = await client.batches.score(DIGITS_TABLE, dataset, { filename: 'rows.csv' });
    proxy.decide(() => ({ status: 503, code: 'ServiceUnavailable' }));
    await sleep(9_000);
    proxy.decide(() => 'pass');
    expect(await client.batches.wait(delayed.id)).toMatchObject({
      status: 'completed',
      request_counts: { total: ROWS, completed: ROWS, failed: 0 },
    });
    expect(sha256(await bytesOf(await client.batches.output(delayed.id)))).toBe(sha256(results));
  });
});
