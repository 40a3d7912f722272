import { readFileSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import type { SpanRecord } from '@sconce/telemetry';
import { eventually, fixturePath } from '@sconce/testing';
import { affineRequest, startStack, type Stack } from '../support/stack.ts';

// One trace follows a request from its caller through API, queue and worker to the native run.

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
  // The caller can find its trace again.
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
  // In time as well: each stage begins after the one before, and within its parent.
  const starts = [http, enqueue, queue, batch, run].map((span) => span?.startMs ?? NaN);
  expect(starts).toEqual([...starts].sort((left, right) => left - right));
  expect(run!.endMs).toBeLessThanOrEqual(batch!.endMs);
  expect(batch!.endMs).toBeLessThanOrEqual(http!.endMs);
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

it('leaves what the caller did not sample unrecorded', async () => {
  const traceId = '3af7651916cd43dd8448eb211c80319c';
  const init = affineRequest([[1, 2, 3, 4]]);
  const headers = { ...(init.headers as Record<string, string>), traceparent: `00-${traceId}-${CALLER}-00` };
  const response = await stack.fetch('/v2/models/affine/infer', { ...init, headers });
  expect(response.headers.get('traceparent')).toMatch(new RegExp(`^00-${traceId}-`));
  // A later, sampled request's spans arrive after any of the unsampled one's would have.
  const later = '4af7651916cd43dd8448eb211c80319c';
  await stack.fetch('/v2/models/affine/infer', traced(later));
  await spansOf(later, PATH);
  expect(stack.collector.spans.filter((span) => span.traceId === traceId)).toEqual([]);
});
