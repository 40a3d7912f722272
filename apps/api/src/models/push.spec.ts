import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Agent, request, type RequestOptions } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { ModelRepository } from '@sconce/models';
import { InferenceProducer } from '@sconce/queue';
import { createLogger, startTelemetry } from '@sconce/telemetry';
import { encodeSafetensors, type Tensor } from '@sconce/tensor';
import { atEndOfFile, fixturePath, temporaryFolder, testRedis } from '@sconce/testing';
import { readConfig } from '../config.ts';
import { createApi } from '../server.ts';

// Pushes over HTTP, up to the queue: nobody registers them here.

let url = '';
let repository: ModelRepository;

beforeAll(async () => {
  const { url: redisUrl, prefix } = testRedis();
  const config = readConfig({
    SCONCE_REDIS_URL: redisUrl,
    SCONCE_KEY_PREFIX: prefix,
    SCONCE_DATA: temporaryFolder('push'),
    SCONCE_MAX_ARTIFACT_BYTES: '2000000',
  });
  const logger = createLogger({ service: 'api', level: 'fatal' });
  const telemetry = await startTelemetry({
    service: 'api',
    version: '0',
    instanceId: 'push',
    traces: config.telemetry.traces,
    logger,
  });
  const app = await createApi({ config, logger, telemetry });
  await app.listen(0, '127.0.0.1');
  url = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;
  repository = app.get(ModelRepository);
  atEndOfFile(async () => {
    await app.close();
    await app.get(InferenceProducer).close();
    await telemetry.shutdown();
  });
});

const artifact = readFileSync(fixturePath('affine'));
/** The model with a doc_string of so many bytes. */
function padded(bytes: number): Buffer {
  const length = Array.from({ length: 5 }, (_, i) => ((bytes >>> (7 * i)) & 0x7f) | (i < 4 ? 0x80 : 0));
  return Buffer.concat([artifact, Buffer.from([0x32, ...length]), Buffer.alloc(bytes, 32)]);
}
const tensor = (name: string): Tensor => ({ name, datatype: 'FP32', shape: [1], data: new Uint8Array(4) });
const cases = encodeSafetensors([tensor('0.in.0'), tensor('0.out.0')]);
const config = { name: 'm', max_batch_size: 4, tolerance: { rtol: 0.1, atol: 0.2 } };

function formOf(parts: readonly (readonly [string, string | Uint8Array])[]): FormData {
  const form = new FormData();
  for (const [name, content] of parts) form.append(name, new Blob([content as Uint8Array<ArrayBuffer>]), name);
  return form;
}
const configPart = ['config', JSON.stringify(config)] as const;
const casesPart = ['cases', cases] as const;
const modelPart = ['model', artifact] as const;

async function send(path: string, init: RequestInit): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${url}${path}`, init);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

describe('a push as a form', () => {
  it.each([
    ['PUT', '/v1/models/m/versions/7', '7'],
    ['POST', '/v1/models/m/versions', '8'],
  ])('by %s is stored with its config and cases', async (method, path, version) => {
    const body = formOf([configPart, casesPart, modelPart]);
    expect(await send(path, { method, body })).toMatchObject({
      status: 202,
      body: { name: 'm', version, status: 'compiling', config, size_bytes: artifact.byteLength },
    });
    const manifest = await repository.get('m', version);
    expect(manifest.artifact.sha256).toBe(createHash('sha256').update(artifact).digest('hex'));
    expect(manifest.cases).toMatchObject({
      size_bytes: cases.byteLength,
      sha256: createHash('sha256').update(cases).digest('hex'),
    });
    expect(manifest.config).toEqual(config);
  });

  it('may be compressed', async () => {
    const form = new Response(formOf([modelPart]));
    const headers = { 'content-type': form.headers.get('content-type') ?? '', 'content-encoding': 'gzip' };
    const body = gzipSync(await form.bytes());
    const { status } = await send('/v1/models/zipped/versions/1', { method: 'PUT', headers, body });
    expect(status).toBe(202);
    expect((await repository.get('zipped', '1')).artifact.size_bytes).toBe(artifact.byteLength);
  });

  it.each([
    ['without a model', formOf([configPart]), 400, 'invalid_request', 'model'],
    ['with a config after the model', formOf([modelPart, configPart]), 400, 'invalid_request', 'config'],
    ['with a second model', formOf([modelPart, modelPart]), 400, 'invalid_request', 'model'],
    ['with an unknown part', formOf([['weights', 'x'], modelPart]), 400, 'invalid_request', 'weights'],
    ['with a config that is no JSON', formOf([['config', '{'], modelPart]), 400, 'invalid_request', 'config'],
    [
      'with the config of another',
      formOf([['config', '{"name":"n"}'], modelPart]),
      400,
      'invalid_request',
      'config.name',
    ],
    ['with cases that are none', formOf([['cases', 'x'], modelPart]), 400, 'invalid_tensor', 'cases'],
    ['with too many cases', formOf([['cases', Buffer.alloc(34e6)], modelPart]), 413, 'payload_too_large', 'cases'],
    ['with a model that is none', formOf([configPart, ['model', '<html>']]), 422, 'model_invalid', 'file'],
    [
      'with a model that is too large',
      formOf([configPart, ['model', padded(3_000_000)]]),
      413,
      'payload_too_large',
      null,
    ],
  ])('%s is refused and leaves nothing', async (_, body, status, code, param) => {
    const answer = await send('/v1/models/m/versions/1', { method: 'PUT', body });
    expect(answer).toMatchObject({ status, body: { error: { code, param } } });
    await expect(repository.get('m', '1')).rejects.toMatchObject({ code: 'model_not_found' });
  });

  it('leaves nothing when it is cut off', async () => {
    const whole = new Response(formOf([configPart, modelPart]));
    const headers = { 'content-type': whole.headers.get('content-type') ?? '' };
    const bytes = Buffer.from(await whole.bytes());
    expect(
      await send('/v1/models/m/versions/1', { method: 'PUT', headers, body: bytes.subarray(0, -200) }),
    ).toMatchObject({ status: 400, body: { error: { message: expect.stringMatching(/multipart/) } } });
    await expect(repository.get('m', '1')).rejects.toMatchObject({ code: 'model_not_found' });
  });

  it('leaves nothing when the client disconnects', async () => {
    const gone = request(`${url}/v1/models/m/versions/1`, {
      method: 'PUT',
      headers: { 'content-type': 'multipart/form-data; boundary=b' },
    });
    gone.on('error', () => undefined);
    gone.write('--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n');
    gone.write(padded(100_000));
    await expect
      .poll(() => repository.get('m', '1').then(({ status }) => status), { timeout: 5_000 })
      .toBe('receiving');
    gone.destroy();
    await expect
      .poll(() => repository.get('m', '1').catch((error: { code: string }) => error.code), { timeout: 5_000 })
      .toBe('model_not_found');
  });
});

// A client that sends all it has before it listens (and closes nothing) has to get its answer too.
describe('a refused push of 20 MB is answered, and its connection goes on:', () => {
  const filler = Buffer.alloc(20_000_000, 32);
  const head = (name: string): Buffer => Buffer.from(`--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n`);
  it.each([
    ['a form of the wrong order', 'multipart/form-data; boundary=b', [head('weights'), filler], 400],
    ['a form of an existing version', 'multipart/form-data; boundary=b', [head('model'), padded(20_000_000)], 409],
    ['a raw file of an existing version', 'application/octet-stream', [padded(20_000_000)], 409],
    ['a raw file that is no model', 'application/octet-stream', [filler], 422],
  ])('%s', async (_, type, pieces, status) => {
    await send('/v1/models/taken/versions/1', { method: 'PUT', body: artifact });
    const body = Buffer.concat([...pieces, Buffer.from('\r\n--b--\r\n')]);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const answerTo = (path: string, options: RequestOptions, sent?: Buffer): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const call = request(`${url}${path}`, { ...options, agent }, (response) => {
          response.resume();
          response.on('end', () => resolve(response.statusCode));
        });
        call.on('error', reject);
        call.end(sent);
      });
    const headers = { 'content-type': type, 'content-length': body.byteLength };
    try {
      expect(await answerTo('/v1/models/taken/versions/1', { method: 'PUT', headers }, body)).toBe(status);
      expect(await answerTo('/v1/models/taken/versions/1', {})).toBe(200);
    } finally {
      agent.destroy();
    }
  });
});

it('the JSON Schema of config.json is published', async () => {
  const response = await fetch(`${url}/v1/model-config.schema.json`);
  expect(response.headers.get('content-type')).toMatch(/^application\/schema\+json/);
  const published = new URL('../../../../docs/model-config.schema.json', import.meta.url);
  expect(await response.json()).toEqual(JSON.parse(readFileSync(published, 'utf8')));
});

it('OpenAPI describes both forms of a push, and the fields of a version', async () => {
  const { paths, components } = (await (await fetch(`${url}/docs-json`)).json()) as {
    paths: Record<string, Record<string, object>>;
    components: { schemas: Record<string, object> };
  };
  expect(paths['/v1/models/{model}/versions/{version}']?.['put']).toMatchObject({
    requestBody: {
      content: {
        'application/octet-stream': { schema: { format: 'binary' } },
        'multipart/form-data': { schema: { properties: { config: {}, cases: {}, model: {} } } },
      },
    },
    responses: {
      202: {
        content: {
          'application/json': {
            schema: { $ref: '#/components/schemas/ModelVersion' },
          },
        },
      },
    },
  });
  expect(components.schemas['ModelVersion']).toMatchObject({
    properties: { config: {}, warnings: {}, parity: {}, optimised: {}, performance: {} },
  });
});
