import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { eventually } from '@sconce/testing';
import { startStack, type Stack } from '../support/stack.ts';

// The OpenAPI document against a running stack: every example is sent, and every answer has a status and fields that are declared.

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DIGITS = join(ROOT, 'examples/digits');
const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';

interface Parameter {
  readonly in: string;
  readonly name: string;
  readonly example?: string;
  readonly schema?: { readonly example?: string };
}

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: {
    readonly content: Readonly<
      Record<string, { readonly examples?: Readonly<Record<string, { readonly value: unknown }>> }>
    >;
  };
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, object>> }>>;
}

interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

interface Call {
  /** Values of parameters of the path and of the query. */
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: string;
  readonly init?: RequestInit;
}

let stack: Stack;
let document: OpenApi;
let ajv: Ajv2020;
/** Operations that answered with a status below 300. */
const succeeded = new Set<string>();

/** A copy of a schema or document in which no object may have a field that is not declared. */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== 'object' || value === null) return value;
  const copy = Object.fromEntries(Object.entries(value).map(([key, child]) => [key, closed(child)]));
  return copy['type'] === 'object' && 'properties' in copy ? { additionalProperties: false, ...copy } : copy;
}

/** JSON pointer tokens as part of a URI fragment. */
const pointer = (...tokens: string[]): string =>
  tokens.map((token) => encodeURIComponent(token.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/');

/** Sends a request to a documented route, checks the answer against the document, and returns it. */
async function call(
  operationId: string,
  { params = {}, query = '', init = {} }: Call = {},
): Promise<{ status: number; body: unknown }> {
  const [path = '', method = '', operation] = operationOf(operationId);
  const target = path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(params[name] ?? exampleOf(operation, name)),
  );
  const base = 'servers' in operation ? stack.api.ready.metricsUrl : stack.url;
  const response = await fetch(`${base}${target}${query}`, { method: method.toUpperCase(), ...init });
  const text = await response.text();
  const { status } = response;
  const label = `${method} ${target} answered ${status} ${text.slice(0, 300)}`;
  const declared = operation.responses[status];
  expect(declared, `${label}: the status is not declared`).toBeDefined();
  if (status < 300) succeeded.add(operationId);
  const mediaType = response.headers.get('content-type')?.split(';')[0]?.trim() ?? '';
  if (declared?.content === undefined) {
    expect(text, `${label}: a body is not declared`).toBe('');
    return { status, body: undefined };
  }
  const declaredType = [mediaType, '*/*'].find((type) => Object.hasOwn(declared.content ?? {}, type));
  expect(declaredType, `${label}: the media type ${mediaType} is not declared`).toBeDefined();
  if (declaredType !== 'application/json') return { status, body: text };
  const body = JSON.parse(text) as unknown;
  const where = pointer('paths', path, method, 'responses', String(status), 'content', 'application/json', 'schema');
  const validate = ajv.compile({ $ref: `openapi#/${where}` });
  expect(validate(body), `${label}: ${ajv.errorsText(validate.errors)}`).toBe(true);
  return { status, body };
}

function operationOf(operationId: string): [string, string, Operation] {
  for (const [path, byMethod] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(byMethod)) {
      if (operation.operationId === operationId) return [path, method, operation];
    }
  }
  throw new Error(`no operation ${operationId}`);
}

function exampleOf({ parameters = [] }: Operation, name: string): string {
  const example = givenExample(parameters.find((parameter) => parameter.name === name));
  if (example === undefined) throw new Error(`parameter ${name} has no example`);
  return example;
}

function givenExample(parameter: Parameter | undefined): string | undefined {
  return parameter?.example ?? parameter?.schema?.example;
}

const idOf = (answer: { body: unknown }): string => (answer.body as { id: string }).id;
const json = (value: unknown): RequestInit => ({
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(value),
});

async function upload(name: string, bytes: Uint8Array<ArrayBuffer> | string): Promise<string> {
  const form = new FormData();
  form.set('purpose', 'batch');
  form.set('file', new Blob([bytes]), name);
  const answer = await call('uploadFile', { init: { body: form } });
  expect(answer.status).toBe(200);
  return idOf(answer);
}

/** Reads a batch or a job until it has one of these states. Each read is checked. */
async function waitFor(operationId: 'getBatch' | 'getJob', id: string, statuses: readonly string[]): Promise<void> {
  await eventually(
    async () => {
      const { body } = await call(operationId, { params: { id } });
      expect(statuses).toContain((body as { status: string }).status);
    },
    { timeoutMs: 60_000 },
  );
}

let tableFile: string;
let linesFile: string;

beforeAll(async () => {
  stack = await startStack({ env: { SCONCE_TRACE_URL: 'http://127.0.0.1:16686' } });
  document = (await (await stack.fetch('/docs-json')).json()) as OpenApi;
  ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  ajv.addSchema(closed(document) as object, 'openapi');
  await stack.pushFile(join(DIGITS, 'digits.onnx'), 'digits');
  tableFile = await upload('heldout.csv', new Uint8Array(readFileSync(join(DIGITS, 'heldout.csv'))));
  const request = operationOf('infer')[2].requestBody?.content['application/json']?.examples?.['one_row']?.value;
  const line = { custom_id: 'one', method: 'POST', url: '/v2/models/digits/infer', body: request };
  linesFile = await upload('lines.jsonl', `${JSON.stringify(line)}\n`);
});

it('serves the committed document', () => {
  expect(document).toEqual(JSON.parse(readFileSync(join(ROOT, 'docs/openapi.json'), 'utf8')));
});

it('every example works on the demo model', async () => {
  let sent = 0;
  for (const byMethod of Object.values(document.paths)) {
    for (const operation of Object.values(byMethod)) {
      for (const [mediaType, { examples = {} }] of Object.entries(operation.requestBody?.content ?? {})) {
        for (const [name, { value }] of Object.entries(examples)) {
          const text = (typeof value === 'string' ? value : JSON.stringify(value))
            .replaceAll('file-000000000000000000000000', tableFile)
            .replaceAll('file-000000000000000000000001', linesFile);
          const given = (operation.parameters ?? []).filter(
            (parameter) => parameter.in === 'query' && givenExample(parameter) !== undefined,
          );
          const query = new URLSearchParams(
            given.map(({ name: field }): [string, string] => [field, exampleOf(operation, field)]),
          );
          const answer = await call(operation.operationId, {
            query: given.length === 0 ? '' : `?${query}`,
            init: { headers: { 'content-type': mediaType }, body: text },
          });
          expect(answer.status, `${operation.operationId} ${name}: ${JSON.stringify(answer.body)}`).toBeLessThan(300);
          const { id, object } = (answer.body ?? {}) as { id?: string; object?: string };
          if (object === 'batch') await waitFor('getBatch', id ?? '', ['completed']);
          if (object === 'job') await waitFor('getJob', id ?? '', ['succeeded']);
          sent += 1;
        }
      }
    }
  }
  expect(sent).toBeGreaterThanOrEqual(12);
});

it('health, metadata and documents', async () => {
  for (const operation of [
    'serverMetadata',
    'serverLive',
    'serverReady',
    'getLive',
    'getReady',
    'getStarted',
    'getBacklog',
  ]) {
    expect((await call(operation)).status, operation).toBe(200);
  }
  for (const operation of ['getMetrics', 'getDocument', 'getDocumentAsYaml', 'getDocumentPage', 'modelConfigSchema']) {
    expect((await call(operation)).status, operation).toBe(200);
  }
  for (const file of ['swagger-ui.css', 'swagger-ui-bundle.js', 'swagger-ui-init.js', 'favicon-32x32.png']) {
    expect((await call('getDocumentPageFile', { params: { file } })).status, file).toBe(200);
  }
  expect((await call('getDocumentPageFile', { params: { file: 'none' } })).status).toBe(404);
  expect((await call('getBacklog', { params: { pool: '.' } })).status).toBe(404);
  expect((await call('getTrace', { params: { id: TRACE_ID } })).status).toBe(200);
  expect((await call('getTrace', { params: { id: 'x' } })).status).toBe(404);
});

it('models in each state', async () => {
  const ofModel = ['modelMetadata', 'modelReady', 'modelConfig', 'modelStatistics'];
  for (const operation of ofModel.flatMap((name) => [name, `${name}Version`])) {
    expect((await call(operation)).status, operation).toBe(200);
    expect((await call(operation, { params: { model: 'unknown' } })).status, operation).toBe(404);
  }
  const artifact = new Uint8Array(readFileSync(join(DIGITS, 'digits.pt')));
  const form = new FormData();
  form.set('config', JSON.stringify({ max_batch_size: 8, model_warmup: [{ batch_size: 1 }], dynamic_batching: {} }));
  form.set('model', new Blob([artifact]));
  const version = (answer: { body: unknown }): string => (answer.body as { version: string }).version;
  const second = version(await call('pushModel', { init: { body: form } }));
  await eventually(
    async () => {
      const { body } = await call('getModelVersion', { params: { version: second } });
      expect(body).toMatchObject({ status: 'ready' });
    },
    { timeoutMs: 60_000 },
  );
  expect((await call('modelConfig')).status).toBe(200);
  const broken = artifact.slice(0, artifact.length - 4_000);
  const failing = await call('pushModelVersion', { params: { model: 'broken', version: '1' }, init: { body: broken } });
  if (failing.status === 202) {
    await eventually(
      async () => {
        const { body } = await call('getModelVersion', { params: { model: 'broken', version: '1' } });
        expect(body).toMatchObject({ status: 'failed' });
      },
      { timeoutMs: 60_000 },
    );
  }
  expect((await call('pushModelVersion', { init: { body: artifact } })).status).toBe(409);
  for (const operation of ['listModels', 'getModel', 'statistics', 'repositoryIndex']) {
    expect((await call(operation)).status, operation).toBe(200);
  }
  expect((await call('updateModel', { init: json({ loaded: 3 }) })).status).toBe(400);
  expect((await call('unloadModel')).status).toBe(200);
  expect((await call('modelReady')).status).toBe(503);
  expect((await call('modelMetadata')).status).toBe(503);
  expect((await call('getModel')).body).toMatchObject({ serving: null });
  expect((await call('repositoryIndex')).status).toBe(200);
  expect((await call('loadModel')).status).toBe(200);
  expect((await call('loadModel', { init: json({ parameters: { config: '{}' } }) })).status).toBe(501);
  const removal = { params: { version: second }, query: '?force=true' };
  expect((await call('removeModelVersion', removal)).status).toBe(204);
  expect((await call('removeModelVersion', removal)).status).toBe(404);
});

it('requests and jobs in each state', async () => {
  const request = operationOf('infer')[2].requestBody?.content['application/json']?.examples?.['one_row']
    ?.value as object;
  const headers = { 'content-type': 'application/json', prefer: 'respond-async' };
  const job = await call('infer', { init: { headers, body: JSON.stringify(request) } });
  expect(job.status).toBe(202);
  await waitFor('getJob', idOf(job), ['succeeded']);
  expect((await call('getJobResult', { params: { id: idOf(job) } })).status).toBe(200);
  const binary = { ...request, parameters: { binary_data_output: true } };
  expect((await call('inferVersion', { init: json(binary) })).status).toBe(200);
  expect((await call('infer', { init: json({ inputs: [] }) })).status).toBe(400);
  expect((await call('infer', { init: { body: 'x', headers: { 'content-encoding': 'br' } } })).status).toBe(415);
  expect((await call('submitJob', { init: json({ inputs: [] }) })).status).toBe(400);
  const cancelled = await call('submitJob', { init: json({ model: 'digits', ...request }) });
  expect((await call('cancelJob', { params: { id: idOf(cancelled) } })).status).toBe(200);
  expect((await call('watchJob', { params: { id: idOf(job) } })).body).toContain('event: job');
  for (const operation of ['getJob', 'getJobResult', 'watchJob']) {
    await call(operation, { params: { id: idOf(cancelled) } });
    expect((await call(operation, { params: { id: 'unknown' } })).status).toBe(404);
  }
});

it('batches and files in each state', async () => {
  const submit = (request: object): Promise<{ status: number; body: unknown }> =>
    call('submitBatch', { init: json(request) });
  const table = { input_file_id: tableFile, model: 'digits', inputs: { pixels: 'p*' } };
  const dryRun = await call('submitBatch', { query: '?dry_run=true', init: json(table) });
  expect(dryRun.body).toMatchObject({ object: 'batch.dry_run', ok: true });
  const id = idOf(await submit({ ...table, metadata: { for: 'test' }, pass_through: ['id'] }));
  await call('getBatchOutput', { params: { id } });
  expect((await call('watchBatch', { params: { id } })).body).toContain('event: batch');
  await waitFor('getBatch', id, ['completed']);
  expect((await call('getBatchOutput', { params: { id } })).body).toContain('id,');
  expect((await call('getBatchErrors', { params: { id } })).status).toBe(200);
  expect((await call('cancelBatch', { params: { id } })).status).toBe(200);
  expect((await call('retryBatch', { params: { id } })).status).toBe(400);
  // One row fails; the retry runs its chunk again.
  const badRow = idOf(
    await submit({ ...table, input_file_id: await upload('bad.csv', 'pixels_0\nx\n'), inputs: undefined }),
  );
  await waitFor('getBatch', badRow, ['failed', 'completed']);
  await call('getBatchErrors', { params: { id: badRow } });
  const partly = await upload('partly.csv', `${header()}\n${row('1')}\n${row('x')}\n`);
  const retried = idOf(await submit({ input_file_id: partly, model: 'digits' }));
  await waitFor('getBatch', retried, ['completed']);
  expect((await call('getBatchErrors', { params: { id: retried } })).body).toContain('"row":2');
  expect((await call('retryBatch', { params: { id: retried } })).status).toBe(200);
  await waitFor('getBatch', retried, ['completed']);
  const stopped = idOf(await submit(table));
  expect((await call('cancelBatch', { params: { id: stopped } })).status).toBe(200);
  await waitFor('getBatch', stopped, ['cancelled', 'completed']);
  expect((await submit({ model: 'digits', nonsense: 1 })).status).toBe(400);
  expect((await submit({ ...table, model: 'unknown' })).status).toBe(404);
  for (const operation of ['getBatch', 'getBatchOutput', 'watchBatch', 'retryBatch', 'cancelBatch']) {
    expect((await call(operation, { params: { id: 'batch_unknown' } })).status, operation).toBe(404);
  }
  for (const operation of ['listBatches', 'listFiles', 'listJobs']) {
    expect((await call(operation, { query: '?limit=2' })).body).toMatchObject({ has_more: true });
    expect((await call(operation)).status).toBe(200);
    expect((await call(operation, { query: '?limit=x' })).status).toBe(400);
    expect((await call(operation, { query: '?after=unknown' })).status).toBe(404);
  }
  expect((await call('uploadFile', { init: { body: new FormData() } })).status).toBe(400);
  const expiring = new FormData();
  expiring.set('purpose', 'batch');
  expiring.set('expires_after[anchor]', 'created_at');
  expiring.set('expires_after[seconds]', '3600');
  expiring.set('file', new Blob(['a\n']), 'a.csv');
  const file = { params: { id: idOf(await call('uploadFile', { init: { body: expiring } })) } };
  expect((await call('getFile', file)).body).toMatchObject({ expires_at: expect.any(Number) as number });
  expect((await call('downloadFile', file)).body).toBe('a\n');
  expect((await call('deleteFile', file)).status).toBe(200);
  for (const operation of ['getFile', 'downloadFile', 'deleteFile']) {
    expect((await call(operation, file)).status).toBe(404);
  }
});

it('every operation succeeded at least once', () => {
  const all = Object.values(document.paths).flatMap((byMethod) => Object.values(byMethod));
  expect(all.map(({ operationId }) => operationId).filter((id) => !succeeded.has(id))).toEqual([]);
});

const header = (): string => Array.from({ length: 64 }, (_, pixel) => `pixels_${pixel}`).join(',');
const row = (first: string): string => [first, ...Array.from({ length: 63 }, () => '0')].join(',');
