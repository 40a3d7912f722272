import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readStoredTrace, startOtlpCollector, type OtlpCollector } from './index.ts';

let collector: OtlpCollector;
beforeEach(async () => (collector = await startOtlpCollector({ maxSpans: 3, maxBodyBytes: 4_096 })));
afterEach(() => collector.stop());

const span = (name: string, more: object = {}) => ({
  traceId: 'A'.repeat(32),
  spanId: '1'.repeat(16),
  name,
  startTimeUnixNano: '1700000000000125999',
  endTimeUnixNano: '1700000000001000000',
  ...more,
});

const exportOf = (...spans: object[]) => JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] });

function post(body: string | Buffer, headers: Record<string, string> = {}): Promise<Response> {
  const sent = typeof body === 'string' ? body : new Uint8Array(body);
  return fetch(collector.url, {
    method: 'POST',
    body: sent,
    headers: { 'content-type': 'application/json', ...headers },
  });
}

describe('startOtlpCollector', () => {
  it('accepts JSON, plain and gzip, and keeps microseconds', async () => {
    expect((await post(exportOf(span('a')))).status).toBe(200);
    expect((await post(gzipSync(exportOf(span('b', { kind: 2 }))), { 'content-encoding': 'gzip' })).status).toBe(200);
    expect(collector.spans).toMatchObject([
      { name: 'a', traceId: 'a'.repeat(32), startMs: 1_700_000_000_000.125, kind: 'unspecified', service: '' },
      { name: 'b', kind: 'server', endMs: 1_700_000_000_001 },
    ]);
    expect(collector.spans[0]).not.toHaveProperty('parentSpanId');
  });

  it('returns a trace in Jaeger’s JSON as long as it has the trace', async () => {
    await post(exportOf(span('a'), span('b', { traceId: 'b'.repeat(32) })));
    const look = (path: string): Promise<Response> => fetch(`${collector.queryUrl}/api/traces/${path}`);
    expect(readStoredTrace(await (await look('a'.repeat(32))).json())).toMatchObject([{ name: 'a' }]);
    for (const path of ['c'.repeat(32), 'short', '']) expect((await look(path)).status).toBe(404);
    collector.clear();
    expect((await look('a'.repeat(32))).status).toBe(404);
  });

  it('reads every kind of attribute value', async () => {
    const values = [
      { stringValue: 's' },
      { intValue: '42' },
      { intValue: 7 },
      { doubleValue: 0.5 },
      { boolValue: false },
      { arrayValue: { values: [{ intValue: '1' }, { stringValue: 'x' }] } },
      { kvlistValue: { values: [{ key: 'k', value: { boolValue: true } }] } },
      {},
    ];
    const attributes = values.map((value, index) => ({ key: String(index), value }));
    await post(exportOf(span('a', { attributes })));
    expect(Object.values(collector.spans[0]?.attributes ?? {})).toEqual([
      's',
      42,
      7,
      0.5,
      false,
      [1, 'x'],
      { k: true },
      null,
    ]);
  });

  it.each<[string, string | Buffer, Record<string, string>, number]>([
    ['text that is not JSON', '{"resourceSpans"', {}, 400],
    ['an empty body', '', {}, 400],
    ['JSON that is not an export', '[1]', {}, 400],
    ['a span without ids', exportOf({ name: 'x' }), {}, 400],
    ['an id that is not hex', exportOf(span('x', { traceId: 'g'.repeat(32) })), {}, 400],
    ['a time that is not a number', exportOf(span('x', { startTimeUnixNano: 'now' })), {}, 400],
    ['a body that is not gzip', 'x', { 'content-encoding': 'gzip' }, 400],
    ['another compression', 'x', { 'content-encoding': 'br' }, 415],
    ['protobuf', 'x', { 'content-type': 'application/x-protobuf' }, 415],
    ['a body that is too large', 'x'.repeat(5_000), {}, 413],
    ['a gzip bomb', gzipSync(Buffer.alloc(1_000_000)), { 'content-encoding': 'gzip' }, 413],
  ])('refuses %s and stays up', async (_name, body, headers, status) => {
    const response = await post(body, headers);
    expect(response.status).toBe(status);
    expect(await response.json()).toHaveProperty('message');
    expect((await post(exportOf(span('after')))).status).toBe(200);
    expect(collector.spans.map(({ name }) => name)).toEqual(['after']);
  });

  it('answers 404 for other paths', async () => {
    expect((await fetch(new URL('/v1/logs', collector.url), { method: 'POST', body: '{}' })).status).toBe(404);
    expect((await fetch(collector.url)).status).toBe(404);
  });

  it('keeps the newest spans', async () => {
    await post(exportOf(...['a', 'b', 'c', 'd', 'e'].map((name) => span(name))));
    expect(collector.spans.map(({ name }) => name)).toEqual(['c', 'd', 'e']);
    collector.clear();
    expect(collector.spans).toEqual([]);
  });

  it('waits for spans, and after the timeout names the spans that it has', async () => {
    const waited = collector.waitFor((spans) => spans.some(({ name }) => name === 'b'));
    await post(exportOf(span('a')));
    await post(exportOf(span('b')));
    expect(await waited).toHaveLength(2);
    await expect(collector.waitFor(() => false, 20)).rejects.toThrow(/20 ms; received 2: .*a, .*b/);
  });
});
