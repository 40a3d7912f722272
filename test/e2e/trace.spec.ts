import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { SconceClient } from '@sconce/client';
import { lengthOf, uncoveredTime, type SpanRecord } from '@sconce/trace-view';
import { eventually, fixturePath } from '@sconce/testing';
import { sconce } from '../support/cli.ts';
import { affineRequest, json, startStack, type Stack } from '../support/stack.ts';

// One trace has all steps of a request: its caller, the API, the queue, the worker and the native run.

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
  await stack.push('affine');
});

const CALLER = 'b7ad6b7169203331';

function traced(traceId: string, init: RequestInit = affineRequest([[1, 2, 3, 4]])): RequestInit {
  const headers = { ...(init.headers as Record<string, string>), traceparent: `00-${traceId}-${CALLER}-01` };
  return { ...init, headers };
}

async function spansOf(traceId: string, names: readonly string[]): Promise<Map<string, SpanRecord>> {
  let found: SpanRecord[] = [];
  await eventually(
    () => {
      found = stack.collector.spans.filter((span) => span.traceId === traceId);
      expect(found.map((span) => span.name)).toEqual(expect.arrayContaining([...names]));
    },
    { timeoutMs: 15_000 },
  );
  return new Map(found.map((span) => [span.name, span]));
}

const HTTP = 'POST /v2/models/:model/infer';
const PATH = [HTTP, 'sconce.enqueue', 'sconce.queue', 'sconce.batch', 'sconce.run'] as const;

it('connects HTTP, enqueueing, queue wait, batch and run, across the processes', async () => {
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  const response = await stack.fetch('/v2/models/affine/infer', traced(traceId));
  expect(response.status).toBe(200);
  // The response has the trace id.
  expect(response.headers.get('traceparent')).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
  const spans = await spansOf(traceId, PATH);
  const [http, enqueue, queue, batch, run] = PATH.map((name) => spans.get(name));
  expect(http?.parentSpanId).toBe(CALLER);
  expect(enqueue?.parentSpanId).toBe(http?.spanId);
  expect(queue?.parentSpanId).toBe(enqueue?.spanId);
  expect(batch?.parentSpanId).toBe(enqueue?.spanId);
  expect(run?.parentSpanId).toBe(batch?.spanId);
  expect([http?.service, enqueue?.service]).toEqual(['sconce-api', 'sconce-api']);
  expect([queue?.service, batch?.service, run?.service]).toEqual(Array(3).fill('sconce-worker'));
  expect(run?.attributes).toMatchObject({ 'sconce.model': 'affine', 'sconce.version': '1', 'sconce.batch.rows': 1 });
  // Also in time: each stage begins after the stage before, and lies within its parent.
  const starts = [http, enqueue, queue, batch, run].map((span) => span?.startMs ?? NaN);
  expect(starts).toEqual([...starts].sort((left, right) => left - right));
  expect(run!.endMs).toBeLessThanOrEqual(batch!.endMs);
  expect(batch!.endMs).toBeLessThanOrEqual(http!.endMs);
});

/** All spans of an online request that meets a loaded model. */
const WHOLE = [
  ...[HTTP, 'sconce.decode', 'sconce.enqueue', 'sconce.publish', 'sconce.queue', 'sconce.take'],
  ...['sconce.batch', 'sconce.wait', 'sconce.run', 'sconce.collect', 'sconce.reply', 'sconce.encode'],
];
/** Most of a request's time that its spans may leave open. */
const MOST_UNCOVERED = 0.05;

it('covers the whole time of a request, from its body to its answer', async () => {
  const ids = Array.from({ length: 20 }, (_, n) => `cbf7651916cd43dd8448eb21${n.toString(16).padStart(8, '0')}`);
  for (const id of ids) expect((await stack.fetch('/v2/models/affine/infer', traced(id))).status).toBe(200);
  await Promise.all(ids.map((id) => spansOf(id, WHOLE)));
  const open = ids.map((id) => {
    const spans = stack.collector.spans.filter((span) => span.traceId === id);
    const { startMs, endMs } = spans.find(({ name }) => name === HTTP)!;
    // No span lies outside its request.
    expect(Math.min(...spans.map((span) => span.startMs))).toBe(startMs);
    expect(Math.max(...spans.map((span) => span.endMs))).toBe(endMs);
    const { ranges } = uncoveredTime(spans);
    return lengthOf(ranges) / (endMs - startMs);
  });
  // The system may stop a process between two measurements of one request, but not of most requests.
  expect(open.toSorted((a, b) => a - b)[10]).toBeLessThan(MOST_UNCOVERED);
});

it('follows a job from its submission', async () => {
  const traceId = '1af7651916cd43dd8448eb211c80319c';
  const body = { model: 'affine', inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 4], data: [1, 2, 3, 4] }] };
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  expect((await stack.fetch('/v1/jobs', traced(traceId, init))).status).toBe(202);
  const spans = await spansOf(traceId, ['POST /v1/jobs', ...PATH.slice(1)]);
  expect(spans.get('sconce.queue')?.attributes).toMatchObject({ 'sconce.lane': 'batch' });
});

it('follows a model from its push through the stages of its registration', async () => {
  const traceId = '5af7651916cd43dd8448eb211c80319c';
  const init = { method: 'PUT', body: readFileSync(fixturePath('affine')) };
  expect((await stack.fetch('/v1/models/traced/versions/1', traced(traceId, init))).status).toBe(202);
  const stages = ['sconce.compile', 'sconce.prove', 'sconce.optimise'];
  const http = 'PUT /v1/models/:model/versions/:version';
  const spans = await spansOf(traceId, [http, 'sconce.enqueue', 'sconce.register', ...stages]);
  expect(spans.get('sconce.enqueue')?.parentSpanId).toBe(spans.get(http)?.spanId);
  const register = spans.get('sconce.register');
  expect(register?.parentSpanId).toBe(spans.get('sconce.enqueue')?.spanId);
  expect(register?.attributes).toMatchObject({ 'sconce.model': 'traced', 'sconce.version': '1' });
  for (const stage of stages) expect(spans.get(stage)?.parentSpanId).toBe(register?.spanId);
  const ends = stages.map((stage) => spans.get(stage)?.endMs ?? NaN);
  expect(ends).toEqual([...ends].sort((left, right) => left - right));
});

it('links requests that shared a run', async () => {
  const ids = Array.from({ length: 40 }, (_, n) => `2af7651916cd43dd8448eb21${n.toString(16).padStart(8, '0')}`);
  await Promise.all(ids.map((id) => stack.fetch('/v2/models/affine/infer', traced(id))));
  const batches = await Promise.all(ids.map(async (id) => (await spansOf(id, PATH)).get('sconce.batch')));
  const merged = batches.filter((span) => Number(span?.attributes['sconce.batch.requests']) > 1);
  expect(merged.length).toBeGreaterThan(0);
  for (const span of merged) {
    const linked = span?.links.map((link) => link.traceId) ?? [];
    expect(linked.length).toBeGreaterThan(0);
    expect(linked).not.toContain(span?.traceId);
    expect(ids).toEqual(expect.arrayContaining(linked));
  }
});

it('does not record a request that its caller did not sample', async () => {
  const traceId = '3af7651916cd43dd8448eb211c80319c';
  const init = affineRequest([[1, 2, 3, 4]]);
  const headers = { ...(init.headers as Record<string, string>), traceparent: `00-${traceId}-${CALLER}-00` };
  const response = await stack.fetch('/v2/models/affine/infer', { ...init, headers });
  expect(response.headers.get('traceparent')).toMatch(new RegExp(`^00-${traceId}-`));
  // The spans of a later, sampled request arrive after the spans of the unsampled one would have arrived.
  const later = '4af7651916cd43dd8448eb211c80319c';
  await stack.fetch('/v2/models/affine/infer', traced(later));
  await spansOf(later, PATH);
  expect(stack.collector.spans.filter((span) => span.traceId === traceId)).toEqual([]);
});

/** Submits rows for the affine model as a batch, and waits until it has ended. */
async function scoreRows(rows: number, traceparent: string): Promise<string> {
  const lines = Array.from({ length: rows }, (_, n) => `${n},1,2,3`);
  const inputs = encodeURIComponent(JSON.stringify({ x: ['a', 'b', 'c', 'd'] }));
  const response = await stack.fetch(`/v1/batches?model=affine&inputs=${inputs}`, {
    method: 'POST',
    headers: { 'content-type': 'text/csv', traceparent },
    body: ['a,b,c,d', ...lines, ''].join('\n'),
  });
  const { id } = (await response.json()) as { id: string };
  const batch = await new SconceClient({ url: stack.url }).batches.wait(id);
  expect(batch).toMatchObject({ status: 'completed', request_counts: { completed: rows } });
  return id;
}

describe('a batch', () => {
  it('of 10,000 rows has one trace that a person can read: with steps and chunks, without rows', async () => {
    const traceId = '6af7651916cd43dd8448eb211c80319c';
    const id = await scoreRows(10_000, `00-${traceId}-${CALLER}-01`);
    const http = 'POST /v1/batches';
    const steps = [http, 'sconce.enqueue', 'sconce.validate', 'sconce.chunk', 'sconce.finalize'] as const;
    const spans = await spansOf(traceId, steps);
    for (const step of steps.slice(2)) {
      expect(spans.get(step)).toMatchObject({ parentSpanId: spans.get('sconce.enqueue')?.spanId });
      expect(spans.get(step)?.attributes).toMatchObject({ 'sconce.batch.id': id, 'sconce.model': 'affine' });
    }
    const all = stack.collector.spans.filter((span) => span.traceId === traceId);
    expect(all.length).toBeLessThanOrEqual(40);
    expect(new Set(all.map(({ name }) => name))).toEqual(new Set(steps));
    const chunks = all.filter(({ name }) => name === 'sconce.chunk');
    const sum = (name: string): number => chunks.reduce((total, span) => total + Number(span.attributes[name]), 0);
    expect(sum('sconce.chunk.rows')).toBe(10_000);
    expect(sum('sconce.run.count')).toBeGreaterThan(0);
    for (const { attributes, startMs, endMs } of chunks) {
      expect(attributes).toMatchObject({ 'sconce.chunk.outcome': 'committed', 'sconce.delivery': 1 });
      const parts = ['read', 'run_wait', 'write'].map((part) => Number(attributes[`sconce.chunk.${part}_ms`]));
      expect(Math.min(...parts)).toBeGreaterThanOrEqual(0);
      // The stages in the thread follow each other, within the delivery.
      expect(parts[0]! + parts[1]! + parts[2]!).toBeLessThanOrEqual(endMs - startMs);
    }
    expect(spans.get('sconce.finalize')?.attributes).toMatchObject({
      'sconce.batch.status': 'completed',
      'sconce.batch.rows': 10_000,
      'sconce.batch.chunks': chunks.length,
    });
    const metrics = await (await fetch(`${stack.workers[0]?.ready.metricsUrl}/metrics`)).text();
    expect(metrics).toContain(`sconce_chunks_total{model="affine",outcome="committed"} ${chunks.length}\n`);
    expect(metrics).toContain('sconce_batches_total{outcome="completed"} 1\n');
    expect(metrics).toMatch(/^sconce_queue_wait_seconds_count\{lane="batch",model="affine"\} \d+$/m);
    expect(metrics).toMatch(/^sconce_thread_busy_seconds_total 0\.\d+$/m);
    expect(metrics).toMatch(/^sconce_threads\{state="idle"\} [1-9]\d*$/m);
    expect(metrics).toMatch(/^sconce_registration_duration_seconds_count\{outcome="ready"\} \d+$/m);
  });

  it('has no trace if its caller did not sample it', async () => {
    const traceId = '7af7651916cd43dd8448eb211c80319c';
    const before = new Set(stack.collector.spans);
    const id = await scoreRows(100, `00-${traceId}-${CALLER}-00`);
    expect(await new SconceClient({ url: stack.url }).batches.get(id)).toMatchObject({ trace_id: null });
    const later = '8af7651916cd43dd8448eb211c80319c';
    await scoreRows(100, `00-${later}-${CALLER}-01`);
    await spansOf(later, ['sconce.finalize']);
    // Its spans are in no trace at all.
    const own = stack.collector.spans.filter((span) => !before.has(span) && span.attributes['sconce.batch.id'] === id);
    expect(own).toEqual([]);
  });
});

it('a bucket of the metrics has the id of a trace', async () => {
  const traceId = '9af7651916cd43dd8448eb211c80319c';
  await stack.fetch('/v2/models/affine/infer', traced(traceId));
  await spansOf(traceId, PATH);
  const exemplars = async (metricsUrl = ''): Promise<string[]> => {
    const headers = { accept: 'application/openmetrics-text; version=1.0.0' };
    const text = await (await fetch(`${metricsUrl}/metrics`, { headers })).text();
    return text.split('\n').filter((line) => line.includes(`# {trace_id="${traceId}"`));
  };
  expect(await exemplars(stack.api.ready.metricsUrl)).toEqual([
    expect.stringMatching(
      /^http_server_request_duration_seconds_bucket\{.*http_route="\/v2\/models\/:model\/infer".*le=/,
    ),
  ]);
  const worker = await exemplars(stack.workers[0]?.ready.metricsUrl);
  expect(worker.map((line) => line.split('_bucket')[0]).sort()).toEqual([
    'sconce_queue_wait_seconds',
    'sconce_run_duration_seconds',
  ]);
});

describe('sconce trace', () => {
  const submit = async (headers: Record<string, string> = {}): Promise<{ id: string; trace_id?: string }> => {
    const body = { model: 'affine', inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 4], data: [1, 2, 3, 4] }] };
    const { id } = (await (await stack.fetch('/v1/jobs', json(body, headers))).json()) as { id: string };
    return new SconceClient({ url: stack.url }).jobs.wait(id);
  };
  const run = (args: readonly string[], env: Record<string, string> = {}): ReturnType<typeof sconce> =>
    sconce(['trace', ...args], { SCONCE_URL: stack.url, SCONCE_TRACE_URL: stack.collector.queryUrl, ...env });

  it('draws the trace of a job from the backend, found by job id or trace id', async () => {
    const { id, trace_id: traceId = '' } = await submit();
    expect(traceId).toMatch(/^[0-9a-f]{32}$/);
    const drawn = await run([id]);
    expect(drawn).toMatchObject({ code: 0, stderr: '' });
    const lines = drawn.stdout.trimEnd().split('\n');
    expect(lines[0]).toBe(`job ${id}: succeeded, affine version 1`);
    expect(lines[1]).toMatch(new RegExp(`^trace ${traceId}  8 spans, [\\d.]+ ms(, [\\d.]+ ms uncovered)?$`));
    const rows = lines.slice(2).map((line) => line.replace(/^[^(A-Za-z]*/, '').split('  ')[0]);
    expect(rows.filter((row) => row !== '(uncovered)')).toEqual([
      ...['POST /v1/jobs', 'sconce.enqueue', 'sconce.queue', 'sconce.take'],
      ...['sconce.batch', 'sconce.wait', 'sconce.run', 'sconce.collect'],
    ]);
    for (const line of lines.slice(2)) {
      const bars = line.includes('(uncovered)') ? '[░ ]*░[░ ]*' : ' *█+ *';
      expect(line).toMatch(new RegExp(`sconce-(api|worker) +[\\d.]+ ms +\\|${bars}\\|`));
    }
    expect((await run([id, '--attributes'])).stdout).toMatch(/sconce\.run .*thread\.id=\d/);
    const read = JSON.parse((await run([id, '--json'])).stdout) as object;
    expect(read).toMatchObject({ id, status: 'succeeded', trace_id: traceId, source: 'backend' });
    expect((await run([traceId])).stdout).toContain(`trace ${traceId}  8 spans`);
  });

  it('draws the stages from the record of a job or batch if there is no trace or no backend', async () => {
    const unsampled = await submit({ traceparent: `00-aaf7651916cd43dd8448eb211c80319c-${CALLER}-00` });
    const own = await run([unsampled.id]);
    expect(own).toMatchObject({ code: 0, stderr: expect.stringContaining('It has no trace') });
    expect(own.stdout).toMatch(
      /stages from its record .*\n.*job .*\n.*queued .*\n.*waiting for a run .*\n.*run of 1 row /,
    );
    const batch = await scoreRows(10, `00-baf7651916cd43dd8448eb211c80319c-${CALLER}-01`);
    const without = await run([batch], { SCONCE_TRACE_URL: '' });
    expect(without).toMatchObject({ code: 0, stderr: expect.stringContaining('set SCONCE_TRACE_URL at the API') });
    expect(without.stdout).toMatch(/completed, 10 rows, affine[\s\S]*validating .*\n.*in_progress /);
    expect(JSON.parse((await run([batch, '--json'], { SCONCE_TRACE_URL: '' })).stdout)).toMatchObject({
      id: batch,
      source: 'record',
      spans: [{ name: 'batch' }, { name: 'validating' }, { name: 'in_progress' }, { name: 'finalizing' }],
    });
  });

  it('draws the record if only the server can reach the backend', async () => {
    const api = await stack.startApi({ SCONCE_TRACE_URL: 'http://127.0.0.1:9' });
    const { id } = await submit();
    const env = { SCONCE_URL: api.ready.url ?? '', SCONCE_TRACE_URL: '' };
    const drawn = await run([id], env);
    expect(drawn).toMatchObject({ code: 0, stdout: expect.stringContaining('stages from its record') });
    expect(drawn.stderr).toMatch(
      /No trace backend answers at http:\/\/127\.0\.0\.1:9\/api\/traces\/.*\nSet SCONCE_TRACE_URL/,
    );
    expect((await run(['c'.repeat(32)], env)).code).toBe(1);
    expect(await api.stop()).toBe(0);
  });

  it.each<[string[], Record<string, string>, number, RegExp]>([
    [['no-such-job'], {}, 1, /no job "no-such-job".*\nGive the id/],
    [['batch_none'], {}, 1, /no batch "batch_none".*\n`sconce batches`/],
    [['c'.repeat(32)], {}, 1, /does not have trace c{32}/],
    [
      ['c'.repeat(32)],
      { SCONCE_TRACE_URL: 'http://127.0.0.1:9' },
      1,
      /No trace backend answers at .*\nSet SCONCE_TRACE_URL/,
    ],
    [['c'.repeat(32)], { SCONCE_TRACE_URL: '' }, 1, /knows of no trace backend/],
    [['x'], { SCONCE_TRACE_URL: 'jaeger' }, 2, /SCONCE_TRACE_URL: "jaeger"/],
    [[], {}, 2, /missing required argument/],
  ])('%j %j fails with what to do', async (args, env, code, message) => {
    const ended = await run(args, env);
    expect(ended.stderr).toMatch(message);
    expect(ended).toMatchObject({ code, stdout: '' });
  });
});
