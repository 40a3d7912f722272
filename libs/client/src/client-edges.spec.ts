import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { Tensor } from '@sconce/tensor';
import { atEndOfFile } from '@sconce/testing';
import { SconceClient } from './index.ts';

interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}
type Answer = (response: ServerResponse, request: Seen) => void;

/** A server that answers its n-th request with the n-th answer (the last one again from then on). */
async function serve(...answers: Answer[]): Promise<{ client: SconceClient; seen: Seen[]; url: string }> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const { method, url, headers } = request;
      const one = { method, url, headers, body: Buffer.concat(parts) };
      seen.push(one);
      (answers[seen.length - 1] ?? answers.at(-1))?.(response, one);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEndOfFile(() => {
    server.close();
    server.closeAllConnections();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { client: new SconceClient({ url: `${url}/` }), seen, url };
}

const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): Answer =>
  (response) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));

const x: Tensor = {
  name: 'x',
  datatype: 'FP32',
  shape: [1, 2],
  data: new Uint8Array(new Float32Array([1, 2]).buffer),
};

const job = (status: string, extra: object = {}): object => ({
  id: 'j/1',
  object: 'job',
  model: 'm',
  status,
  ...extra,
});
const full = json(429, { error: { message: 'full', code: 'queue_full', type: 'capacity' } }, { 'retry-after': '0' });

// What sconce-client.spec.ts leaves out: broken and foreign servers, full ones, time limits, progress.

describe('errors', () => {
  it.each([
    [422, { error: { message: 'm', code: 'toString' } }, 'model_invalid', 'm'],
    [503, { error: 'not ready' }, 'model_not_ready', 'not ready'],
  ])('%i %j is %s', async (status, body, code, message) => {
    const { client } = await serve(json(status, body));
    await expect(client.models.list()).rejects.toMatchObject({ code, message, details: { status } });
  });

  it('names the address that does not answer, and the reason', async () => {
    const { url } = await closed();
    await expect(new SconceClient({ url }).models.list()).rejects.toMatchObject({
      code: 'server_unreachable',
      message: `No Sconce server answers at ${url} (ECONNREFUSED).`,
      details: { url },
    });
  });

  it('reports a server that is not Sconce', async () => {
    const { client, url } = await serve((response) => response.end('<html>'));
    await expect(client.models.list()).rejects.toMatchObject({
      code: 'server_unreachable',
      message: `What answers at ${url} is no Sconce server: it sent <html>`,
    });
  });

  it('reports a connection that ends within an answer', async () => {
    const { client } = await serve((response) => {
      response.writeHead(200, { 'content-length': '100' }).write('{"data":', () => response.destroy());
    });
    await expect(client.models.list()).rejects.toMatchObject({
      code: 'server_unreachable',
      message: expect.stringMatching(/ended within an answer/),
    });
  });

  it('passes on an abort of the caller', async () => {
    const { client } = await serve(() => undefined);
    await expect(client.ready({ signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
  });
});

async function closed(): Promise<{ url: string }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await new Promise((resolve) => server.close(resolve));
  return { url };
}

describe('infer', () => {
  it('sends the time limit to the server in microseconds', async () => {
    const { client, seen } = await serve(json(504, { error: 'late' }));
    const call = { inputs: [x], binary: false, parameters: { priority: 1 } };
    await expect(client.infer('a/b', call, { timeoutMs: 250 })).rejects.toMatchObject({ code: 'deadline_exceeded' });
    expect(seen[0]?.url).toBe('/v2/models/a%2Fb/infer');
    expect(JSON.parse(seen[0]!.body.toString())).toMatchObject({ parameters: { priority: 1, timeout: 250_000 } });
  });

  it.each([
    [200, true],
    [503, false],
  ])('ready: %i is %s', async (status, ready) => {
    const { client } = await serve(json(status, { ready }));
    expect(await client.ready()).toBe(ready);
  });
});

describe('jobs', () => {
  it('retries while the queue is full if `retry` is set', async () => {
    const { client, seen } = await serve(full, full, json(202, job('queued')));
    await expect(client.jobs.submit('m', { inputs: [x], binary: true }, { retry: true })).resolves.toMatchObject({
      id: 'j/1',
    });
    expect(seen.map((request) => request.body.equals(seen[0]!.body))).toEqual([true, true, true]);
  });

  it('does not retry without `retry`, and not for ever', async () => {
    const { client, seen } = await serve(full);
    const submit = (retry: boolean): Promise<unknown> =>
      client.jobs.submit('m', { inputs: [x], binary: true }, { retry });
    await expect(submit(false)).rejects.toMatchObject({ code: 'queue_full', details: { retryAfterSeconds: 0 } });
    expect(seen.length).toBe(1);
    await expect(submit(true)).rejects.toMatchObject({ code: 'queue_full' });
    expect(seen.length).toBe(11);
  });

  it('stops retrying when it is aborted', async () => {
    const { client } = await serve(json(429, { error: 'full' }, { 'retry-after': '30' }));
    const signal = AbortSignal.timeout(50);
    await expect(client.jobs.submit('m', { inputs: [x], binary: true }, { retry: true, signal })).rejects.toThrow(
      /abort/i,
    );
  });

  it('waits until a job has ended, also while the server refuses with 429', async () => {
    const { client, seen } = await serve(
      json(200, job('queued')),
      full,
      json(200, job('running')),
      json(200, job('succeeded')),
    );
    expect(await client.jobs.wait('j/1')).toMatchObject({ status: 'succeeded' });
    expect(seen.map(({ url }) => url)).toEqual(Array(4).fill('/v1/jobs/j%2F1'));
  });
});

describe('models', () => {
  it.each([
    ['a version', { version: '7', pool: 'p' }, 'PUT', '/v1/models/m/versions/7?pool=p'],
    ['the next version', {}, 'POST', '/v1/models/m/versions'],
  ])('pushes %s, counting the bytes', async (_, options, method, url) => {
    const { client, seen } = await serve(json(202, { name: 'm', version: '7' }));
    const bytes = new Uint8Array(600_000).map((_value, index) => index % 251);
    const progress: number[] = [];
    await client.models.push('m', bytes, { ...options, onProgress: (sent) => progress.push(sent) });
    expect(seen[0]).toMatchObject({ method, url, headers: { 'content-type': 'application/octet-stream' } });
    expect(seen[0]!.body.equals(bytes)).toBe(true);
    expect(progress).toEqual([262_144, 524_288, 600_000]);
  });

  it.each([
    ['bytes', (bytes: Uint8Array<ArrayBuffer>) => bytes],
    ['a blob', (bytes: Uint8Array<ArrayBuffer>) => new Blob([bytes])],
  ])('pushes config and cases (%s) before the model, as a form', async (_, casesOf) => {
    const { client, seen } = await serve(json(202, { name: 'm', version: '1' }));
    const [cases, model] = [new Uint8Array(300_000).fill(3), new Uint8Array(600_000).fill(5)];
    const progress: number[] = [];
    await client.models.push('m', ReadableStream.from([model.subarray(0, 1), model.subarray(1)]), {
      config: { max_batch_size: 4 },
      cases: casesOf(cases),
      onProgress: (sent) => progress.push(sent),
    });
    const [request] = seen;
    const type = request?.headers['content-type'] ?? '';
    expect(type).toMatch(/^multipart\/form-data; boundary=/);
    const form = await new Response(new Uint8Array(request!.body), { headers: { 'content-type': type } }).formData();
    expect([...form.keys()]).toEqual(['config', 'cases', 'model']);
    const [config, ...files] = await Promise.all([...form.values()].map((part) => (part as File).bytes()));
    expect(JSON.parse(Buffer.from(config!).toString())).toEqual({ max_batch_size: 4 });
    expect(files.map((bytes, i) => Buffer.from(bytes).equals([cases, model][i]!))).toEqual([true, true]);
    expect(progress).toEqual([1, 600_000]);
  });

  it('sends a form at the pace of the connection, never the whole model at once', async () => {
    let made = 0;
    const model = ReadableStream.from(
      (function* () {
        for (; made < 256; made++) yield new Uint8Array(1024 * 1024);
      })(),
    );
    const deaf = createServer((request) => void request.once('data', () => request.pause()));
    await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve));
    atEndOfFile(() => {
      deaf.close();
      deaf.closeAllConnections();
    });
    const client = new SconceClient({ url: `http://127.0.0.1:${(deaf.address() as AddressInfo).port}` });
    const signal = AbortSignal.timeout(500);
    await expect(client.models.push('m', model, { config: {}, signal })).rejects.toThrow(/timeout|abort/i);
    expect(made).toBeGreaterThan(0);
    expect(made).toBeLessThan(64);
  });

  it.each([
    [{}, '/v1/models/m/versions/1'],
    [{ force: true }, '/v1/models/m/versions/1?force=true'],
  ])('removes a version, %j', async (options, url) => {
    const { client, seen } = await serve((response) => response.writeHead(204).end());
    await client.models.remove('m', '1', options);
    expect(seen[0]).toMatchObject({ method: 'DELETE', url });
  });

  it('throws the reason if registration failed', async () => {
    const { client } = await serve(json(200, { status: 'failed', error: { code: 'unsupported', message: 'no op' } }));
    await expect(client.models.waitUntilReady('m', '1')).rejects.toMatchObject({
      code: 'model_invalid',
      message: 'no op',
      details: { reason: 'unsupported', model: { status: 'failed' } },
    });
  });
});
