import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { hashSecret } from '@sconce/keys';
import { eventually, fixturePath, temporaryFolder, type FixtureModel } from '@sconce/testing';
import { startOtlpCollector } from '@sconce/trace-view';
import { failedServe, startServe } from '../support/serve.ts';
import { affineRequest, json } from '../support/stack.ts';

// The life of `sconce serve`: files in, answers out, and how it ends.

const DIGITS = fileURLToPath(new URL('../../examples/digits/digits.pt', import.meta.url));
const REQUEST = fileURLToPath(new URL('../../examples/digits/request.json', import.meta.url));

/** A folder with fixture models as these files. */
function folderWith(models: Readonly<Record<string, FixtureModel>>): string {
  const folder = temporaryFolder('serve');
  for (const [file, model] of Object.entries(models)) {
    mkdirSync(join(folder, file, '..'), { recursive: true });
    copyFileSync(fixturePath(model), join(folder, file));
  }
  return folder;
}

const X = affineRequest([[1, 2, 3, 4]]);
const steps = (count: number): RequestInit =>
  json({ inputs: [{ name: 'steps', datatype: 'INT64', shape: [1], data: [count] }] });

describe('sconce serve', () => {
  it('compiles a TorchScript file once, answers, drains on SIGTERM and exits with 0', async () => {
    const cache = join(temporaryFolder('serve'), 'cache');
    const args = [`digits=${DIGITS}`, '--cache', cache, '--threads', '1'];
    const first = await startServe(args, { SCONCE_LOG_LEVEL: 'info' });
    expect(first.process.output()).toContain('the model is compiled and proved');
    const ask = { method: 'POST', body: readFileSync(REQUEST) };
    const response = await first.fetch('/v2/models/digits/infer', ask);
    expect(response.status).toBe(200);
    const answer = await response.text();
    expect(await first.process.stop()).toEqual({ code: 0, signal: null });
    const second = await startServe(args, { SCONCE_LOG_LEVEL: 'info' });
    expect(second.process.output()).not.toContain('the model is compiled and proved');
    expect(await (await second.fetch('/v2/models/digits/infer', ask)).text()).toBe(answer);
    expect(readdirSync(cache)).toHaveLength(1);
  });

  it('serves a folder of models, with their versions and configs', async () => {
    const folder = folderWith({
      'double.onnx': 'affine',
      'pair/1/model.onnx': 'affine',
      'pair/3/model.onnx': 'simple',
    });
    writeFileSync(join(folder, 'double.config.json'), JSON.stringify({ max_batch_size: 8 }));
    const serve = await startServe([folder]);
    const index = (await (await serve.fetch('/v2/repository/index', { method: 'POST' })).json()) as object[];
    expect(index).toEqual(
      ['double/1', 'pair/1', 'pair/3'].map((id) => {
        const [name, version] = id.split('/');
        return { name, version, state: 'READY', reason: '' };
      }),
    );
    // The highest version is the default.
    expect(await (await serve.fetch('/v2/models/pair')).json()).toMatchObject({
      versions: ['1', '3'],
      inputs: [{}, {}],
    });
    expect((await serve.fetch('/v2/models/pair/versions/1/infer', X)).status).toBe(200);
    expect(await (await serve.fetch('/v2/models/double/config')).json()).toMatchObject({ max_batch_size: 8 });
  });

  it('answers the request that runs, and refuses connections, when it drains', async () => {
    const serve = await startServe([join(folderWith({ 'slow.onnx': 'slow' }), 'slow.onnx')]);
    const running = serve.fetch('/v2/models/slow/infer', steps(2_000));
    await eventually(async () => {
      expect(await (await serve.fetch('/metrics')).text()).toMatch(/^sconce_outstanding_requests(\{\})? 1$/m);
    });
    const stopped = serve.process.stop(30_000);
    const response = await running;
    expect([response.status, response.headers.get('connection')]).toEqual([200, 'close']);
    expect(await stopped).toEqual({ code: 0, signal: null });
    await expect(serve.fetch('/v2/health/live')).rejects.toThrow('fetch failed');
  });

  it('answers a run that ends its process with the reason, and goes on', async () => {
    const folder = folderWith({ 'slow.onnx': 'slow', 'recurrent.onnx': 'recurrent', 'masked.onnx': 'masked' });
    const serve = await startServe([folder, '--threads', '1'], { SCONCE_MAX_RUN_MS: '1000' });
    const series = (rows: number): object => ({
      ...{ name: 'x', datatype: 'FP32', shape: [rows, 5, 3] },
      data: Array<number>(rows * 15).fill(1),
    });
    const mask = { name: 'mask', datatype: 'BOOL', shape: [2], data: [false, false] };
    const fatal: [string, RequestInit, RegExp][] = [
      ['slow', steps(1e13), /over its budget run_ms/],
      ['recurrent', json({ inputs: [series(0)] }), /ended its process \(SIGABRT/],
      ['masked', json({ inputs: [series(2), mask] }), /ended its process \(SIGABRT/],
    ];
    for (const [model, body, error] of fatal) {
      const answer = await serve.fetch(`/v2/models/${model}/infer`, body);
      expect([answer.status, await answer.json()]).toEqual([422, { error: expect.stringMatching(error) as string }]);
    }
    expect((await serve.fetch('/v2/models/recurrent/infer', json({ inputs: [series(2)] }))).status).toBe(200);
    expect(await (await serve.fetch('/metrics')).text()).toMatch(
      /^sconce_sacrificial_process_ends_total\{(?=[^}]*model="masked")(?=[^}]*cause="SIGABRT")[^}]*\} 1$/m,
    );
    expect(await serve.process.stop()).toEqual({ code: 0, signal: null });
  });

  it('ends with 1 when a thread is left in a run that does not end, so that a supervisor starts it again', async () => {
    const serve = await startServe([join(folderWith({ 'below.onnx': 'below' }), 'below.onnx')], {
      SCONCE_MAX_RUN_MS: '1000',
      SCONCE_DRAIN_DELAY_MS: '0',
    });
    // The model counts until the sum is not below -1,000. The kind of a request does not show whether that is ever so.
    const infer = (...x: number[]): Promise<Response> =>
      serve.fetch('/v2/models/below/infer', json({ inputs: [{ name: 'x', datatype: 'FP32', shape: [2], data: x }] }));
    expect((await infer(5_000, 1_000)).status).toBe(200);
    expect((await infer(-5_000, 1_000)).status).toBe(422);
    expect(await serve.process.exited).toEqual({ code: 1, signal: null });
  });

  it('ends a request at its timeout, and answers others meanwhile', async () => {
    const serve = await startServe([folderWith({ 'slow.onnx': 'slow', 'affine.onnx': 'affine' }), '--threads', '2']);
    const body = JSON.parse(String(steps(3_000).body)) as object;
    const late = serve.fetch('/v2/models/slow/infer', json({ ...body, parameters: { timeout: 50_000 } }));
    expect((await serve.fetch('/v2/models/affine/infer', X)).status).toBe(200);
    expect((await late).status).toBe(504);
  });

  it('requires keys like the API, and reads the same file', async () => {
    const folder = folderWith({ 'affine.onnx': 'affine' });
    const keys = join(folder, 'keys.json');
    const entry = (id: string, scopes: string[]): object => ({ id, sha256: hashSecret(`secret-${id}`), scopes });
    writeFileSync(keys, JSON.stringify({ keys: [entry('caller', ['infer']), entry('boss', ['admin'])] }));
    const serve = await startServe([join(folder, 'affine.onnx'), '--keys', keys]);
    const status = async (path: string, key: string | undefined, init: RequestInit = {}): Promise<number> =>
      (
        await serve.fetch(path, {
          ...init,
          headers: key === undefined ? {} : { authorization: `Bearer secret-${key}` },
        })
      ).status;
    const path = '/v2/models/affine/infer';
    expect([await status(path, undefined, X), await status(path, 'other', X)]).toEqual([401, 401]);
    expect([await status(path, 'caller', X), await status('/metrics', 'caller')]).toEqual([200, 403]);
    expect([await status('/metrics', 'boss'), await status('/v2/health/ready', undefined)]).toEqual([200, 200]);
  });

  it('records the spans of API and worker in one trace', async () => {
    const collector = await startOtlpCollector();
    try {
      const serve = await startServe([join(folderWith({ 'affine.onnx': 'affine' }), 'affine.onnx')], {
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: collector.url,
        OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      });
      const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
      await serve.fetch('/v2/models/affine/infer', { ...X, headers: { traceparent } });
      await eventually(() => {
        const names = collector.spans.filter(({ traceId }) => traceparent.includes(traceId)).map(({ name }) => name);
        expect(names).toEqual(expect.arrayContaining(['POST /v2/models/:model/infer', 'sconce.batch', 'sconce.run']));
      });
      await serve.process.stop();
    } finally {
      await collector.stop();
    }
  });

  it('opens a port for metrics and health if it is told to', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const file = join(folderWith({ 'affine.onnx': 'affine' }), 'affine.onnx');
    const serve = await startServe([file, '--metrics-port', String(port), '--json'], {}, /^\{"ready":true/);
    expect(JSON.parse(serve.process.readyLine)).toEqual({
      ready: true,
      url: serve.url,
      metrics_url: `http://127.0.0.1:${port}`,
      models: [{ name: 'affine', version: '1', path: file, compiled: true }],
    });
    expect(await (await fetch(`http://127.0.0.1:${port}/health/ready`)).json()).toEqual({ ready: true });
    expect(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()).toContain('sconce_threads');
    await serve.process.stop();
  });
});

describe('sconce serve does not start', () => {
  const folder = folderWith({
    'a.onnx': 'affine',
    'b/a.onnx': 'affine',
    'none/readme.txt': 'affine',
    'text.onnx': 'affine',
  });
  writeFileSync(join(folder, 'text.onnx'), 'hello');
  const path = (name: string): string => join(folder, name);

  it.each<[what: string, args: readonly string[], env: Record<string, string>, code: number, message: RegExp]>([
    ['without a file', [], {}, 2, /missing required argument 'file'/],
    ['with an unknown flag', [path('a.onnx'), '--gpu'], {}, 2, /unknown option '--gpu'\nRun `sconce serve --help`/],
    ['with a port that is no number', [path('a.onnx'), '--port', 'x'], {}, 2, /--port takes a whole number/],
    ['with a file that does not exist', [path('no.pt')], {}, 2, /^error: .*no\.pt does not exist\. Give model files/],
    [
      'with two files of one name',
      [path('a.onnx'), path('b/a.onnx')],
      {},
      2,
      /would both be version 1 of model a\. .*NAME=/,
    ],
    ['with a folder without models', [path('none')], {}, 2, /none has no models/],
    ['with a file that is no model', [path('text.onnx')], {}, 1, /^error: .*text\.onnx: the file .*not a model/],
    [
      'for other machines without keys',
      [path('a.onnx'), '--host', '0.0.0.0'],
      {},
      78,
      /SCONCE_HOST: 0\.0\.0\.0 is no loopback/,
    ],
    ['with an unknown setting', [path('a.onnx')], { SCONCE_THREDS: '1' }, 2, /SCONCE_THREDS: there is no such setting/],
    [
      'with a model that is larger than the memory for models',
      [path('a.onnx')],
      { SCONCE_MAX_MODEL_BYTES_PER_THREAD: '10' },
      1,
      /^error: .*a\.onnx: .*10 bytes|a\.onnx: .*SCONCE_MAX_MODEL_BYTES_PER_THREAD/,
    ],
    [
      'with a compilation that takes too much memory',
      [path('a.onnx'), '--cache', path('cache')],
      { SCONCE_REGISTRATION_MEMORY_BYTES: '1000000' },
      1,
      /a\.onnx: registering the model took more than/,
    ],
  ])('%s', async (_, args, env, code, message) => {
    const failed = await failedServe(args, env);
    expect([failed.code, failed.output]).toEqual([code, expect.stringMatching(message)]);
    expect(failed.output).not.toContain('    at ');
  });

  it('on a port that is taken, and says so', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    try {
      const failed = await failedServe([path('a.onnx'), '--port', String(port)]);
      expect([failed.code, failed.output]).toEqual([1, expect.stringMatching(/EADDRINUSE.*--port/)]);
    } finally {
      server.close();
    }
    expect(existsSync(path('.sconce-serve'))).toBe(true);
  });
});
