import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { beforeAll, describe, expect, it } from 'vitest';
import { hashSecret } from '@sconce/keys';
import { BatchProducer, InferenceProducer } from '@sconce/queue';
import { createLogger, startTelemetry } from '@sconce/telemetry';
import { atEndOfFile, eventually, temporaryFolder, testRedis } from '@sconce/testing';
import { readConfig } from '../config.ts';
import { createApi } from '../server.ts';
import { meets, needOf } from './access-rules.ts';
import { KeyLimits } from './key-limits.ts';

describe('what a request needs', () => {
  it.each([
    ['GET', '/v2/health/ready', 'nothing'],
    ['GET', '/docs/json', 'nothing'],
    ['GET', '/metrics', 'admin'],
    ['GET', '/v2/models/:model', 'key'],
    ['POST', '/v2/models/:model/infer', 'infer'],
    ['POST', '/v2/models/:model/versions/:version/infer', 'infer'],
    ['POST', '/v1/jobs', 'infer'],
    ['GET', '/v1/jobs/:id/result', 'infer'],
    ['POST', '/v1/files', 'batch'],
    ['GET', '/v1/batches/:id/events', 'batch'],
    ['POST', '/v2/repository/index', 'key'],
    ['POST', '/v2/repository/models/:model/load', 'models'],
    ['GET', '/v1/models', 'key'],
    ['PUT', '/v1/models/:name/versions/:version', 'models'],
    ['DELETE', '/v1/models/:name', 'models'],
    ['GET', '/nothing/here', 'key'],
  ])('%s %s: %s', (method, route, need) => {
    expect(needOf(method, route)).toBe(need);
  });

  it('the scope admin allows everything, another scope only its routes', () => {
    expect(meets(['admin'], 'models')).toBe(true);
    expect(meets(['infer'], 'key')).toBe(true);
    expect(meets(['infer', 'batch'], 'models')).toBe(false);
    expect(meets(['models'], 'admin')).toBe(false);
  });
});

describe('limits of a key', () => {
  const key = { id: 'k', sha256: '', scopes: ['infer' as const] };

  it('accept a burst, then the rate', () => {
    let nowMs = 0;
    const limits = new KeyLimits(() => nowMs);
    const own = { ...key, requests_per_second: 10, burst: 3 };
    const came = (): number =>
      Array.from({ length: 20 }, () => limits.begin(own)).filter((no) => no === undefined).length;
    expect(came()).toBe(3);
    nowMs = 200;
    expect(came()).toBe(2);
    nowMs = 10_000;
    expect(came()).toBe(3);
  });

  it('count requests in flight', () => {
    const limits = new KeyLimits();
    const own = { ...key, max_outstanding: 2 };
    expect([limits.begin(own), limits.begin(own)]).toEqual([undefined, undefined]);
    expect(limits.begin(own)).toMatchObject({ refused: expect.stringContaining('2 requests in flight') as string });
    limits.end(own);
    expect(limits.begin(own)).toBeUndefined();
  });
});

describe('an API with keys', () => {
  const file = join(temporaryFolder('keys'), 'keys.json');
  const lines: string[] = [];
  let url = '';
  const entry = (id: string, scopes: string[], more: object = {}): object => ({
    id,
    sha256: hashSecret(`secret-of-${id}`),
    scopes,
    ...more,
  });
  const write = (...keys: object[]): void => {
    writeFileSync(file, JSON.stringify({ keys }));
  };
  const ask = (path: string, id?: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`${url}${path}`, {
      ...init,
      headers: id === undefined ? {} : { authorization: `Bearer secret-of-${id}` },
    });

  beforeAll(async () => {
    const { url: redisUrl, prefix } = testRedis();
    write(
      entry('reader', ['infer']),
      entry('pusher', ['models']),
      entry('old', ['admin'], { expires_at: '2020-01-01T00:00:00Z' }),
    );
    const config = readConfig({
      SCONCE_REDIS_URL: redisUrl,
      SCONCE_KEY_PREFIX: prefix,
      SCONCE_DATA: temporaryFolder('access'),
      SCONCE_KEYS_FILE: file,
    });
    const destination = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        lines.push(...chunk.toString().trim().split('\n'));
        done();
      },
    });
    const logger = createLogger({ service: 'api', level: 'info', destination });
    const telemetry = await startTelemetry({
      service: 'api',
      version: '0',
      instanceId: 'access',
      traces: config.telemetry.traces,
      logger,
    });
    const app = await createApi({ config, logger, telemetry });
    await app.listen(0, '127.0.0.1');
    url = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;
    atEndOfFile(async () => {
      await app.close();
      await Promise.all([app.get(InferenceProducer).close(), app.get(BatchProducer).close()]);
      await telemetry.shutdown();
    });
  });

  it('logs with the trace of the request', async () => {
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const headers = { authorization: 'Bearer secret-of-pusher', traceparent: `00-${traceId}-b7ad6b7169203331-01` };
    expect((await fetch(`${url}/v1/models/none`, { method: 'DELETE', headers })).status).toBe(405);
    await eventually(() => {
      const own = lines
        .map((line) => JSON.parse(line) as Record<string, unknown>)
        .filter((line) => line['trace_id'] === traceId);
      expect(own).toMatchObject([{ msg: 'audit', span_id: expect.stringMatching(/^[0-9a-f]{16}$/) as string }]);
    });
    lines.length = 0;
  });

  it('answers only health routes without a key', async () => {
    expect((await ask('/v2/health/live')).status).toBe(200);
    const refused = await ask('/v1/models');
    expect(refused.status).toBe(401);
    expect(refused.headers.get('www-authenticate')).toBe('Bearer');
    expect(await refused.json()).toMatchObject({ error: { type: 'authentication_error', code: 'unauthenticated' } });
    expect((await ask('/v2')).status).toBe(401);
    expect((await ask('/no/such/route')).status).toBe(401);
    // Known only to have been one.
    expect((await ask('/v1/models', 'old')).status).toBe(401);
    expect((await ask('/v1/models', 'nobody')).status).toBe(401);
  });

  it('accepts a key in either header, and checks its scopes', async () => {
    expect((await ask('/v1/models', 'reader')).status).toBe(200);
    expect((await fetch(`${url}/v1/models`, { headers: { 'x-api-key': 'secret-of-reader' } })).status).toBe(200);
    const refused = await ask('/v1/models/m', 'reader', { method: 'DELETE' });
    expect(refused.status).toBe(403);
    expect(await refused.json()).toMatchObject({
      error: { code: 'forbidden', message: 'Key reader may not do this: it needs the scope "models" and has infer.' },
    });
    expect((await ask('/v1/models/m', 'pusher', { method: 'DELETE' })).status).toBe(405);
    expect((await ask('/v1/batches', 'reader')).status).toBe(403);
    expect((await ask('/metrics', 'pusher')).status).toBe(403);
  });

  it('writes an audit line for every change of models', () => {
    const audits = lines
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ audit }) => audit === true);
    expect(audits).toMatchObject([
      { act: 'DELETE', target: '/v1/models/m', key: 'reader', status: 403 },
      { act: 'DELETE', target: '/v1/models/m', key: 'pusher', status: 405 },
    ]);
    expect(lines.join('\n')).not.toContain('secret-of');
  });

  it('reads new keys without a restart, and keeps the old keys while the file is not valid', async () => {
    writeFileSync(file, '{"keys": [{"id": "x"}]}');
    await eventually(
      () => {
        expect(lines.join('\n')).toContain('those read before stay in force');
      },
      { timeoutMs: 6_000 },
    );
    expect((await ask('/v1/models', 'reader')).status).toBe(200);
    write(entry('fresh', ['infer'], { requests_per_second: 1, burst: 2 }));
    await eventually(async () => expect((await ask('/v2', 'reader')).status).toBe(401), { timeoutMs: 6_000 });
    const statuses = await Promise.all(
      Array.from({ length: 5 }, async () => (await ask('/v1/models', 'fresh')).status),
    );
    expect(statuses.filter((status) => status === 200)).toHaveLength(2);
    const refused = await ask('/v1/models', 'fresh');
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
  });
});

describe('the address to listen on', () => {
  it.each<[Record<string, string>, RegExp | undefined]>([
    [{}, undefined],
    [{ SCONCE_HOST: '127.0.0.1' }, undefined],
    [{ SCONCE_HOST: '::1' }, undefined],
    [{ SCONCE_HOST: '0.0.0.0' }, /^SCONCE_HOST: 0\.0\.0\.0 is no loopback address/],
    [{ SCONCE_HOST: '0.0.0.0', SCONCE_AUTH: 'off' }, undefined],
    [{ SCONCE_HOST: '0.0.0.0', SCONCE_KEYS_FILE: '/k' }, undefined],
    [{ SCONCE_AUTH: 'keys' }, /^SCONCE_KEYS_FILE/],
  ])('%j', (env, message) => {
    if (message === undefined) expect(readConfig(env)).toBeDefined();
    else expect(() => readConfig(env)).toThrow(message);
  });
});
