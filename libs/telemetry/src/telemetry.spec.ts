import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SpanKind, TraceFlags, context, trace } from '@opentelemetry/api';
import { afterEach, describe, expect, it } from 'vitest';
import {
  METRICS,
  contextWithSpan,
  createLogger,
  extractContext,
  injectContext,
  spanAt,
  startOtlpCollector,
  startTelemetry,
  type OtlpCollector,
  type Telemetry,
  type TelemetryOptions,
} from './index.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(
  traces: Partial<TelemetryOptions['traces']>,
  options: Partial<TelemetryOptions> = {},
): Promise<Telemetry> {
  const telemetry = await startTelemetry({
    service: 'sconce-test',
    version: '1.2.3',
    instanceId: 'i-1',
    exportDelayMs: 20,
    traces: { exporter: 'otlp', endpoint: '', protocol: 'http/json', headers: {}, sampleRatio: 1, ...traces },
    ...options,
  });
  cleanups.push(() => telemetry.shutdown());
  return telemetry;
}

async function collect(): Promise<OtlpCollector> {
  const collector = await startOtlpCollector();
  cleanups.push(() => collector.stop());
  return collector;
}

const CALLER = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' };
const SAMPLED = `00-${CALLER.traceId}-${CALLER.spanId}-01`;
const UNSAMPLED = `00-${CALLER.traceId}-${CALLER.spanId}-00`;

describe('spans', () => {
  it('reach the collector with parent, links, times, attributes and status', async () => {
    const collector = await collect();
    const { tracer } = await start({ endpoint: collector.url });
    const parent = extractContext({ traceparent: SAMPLED });
    const other = { traceId: 'c'.repeat(32), spanId: 'd'.repeat(16), traceFlags: TraceFlags.SAMPLED };
    const startMs = 1_700_000_000_000.125; // years before this process began
    const queueWait = spanAt({
      tracer,
      name: 'queue wait',
      parent,
      startMs,
      endMs: startMs + 12.5,
      kind: SpanKind.CONSUMER,
      attributes: { 'sconce.rows': 3, 'sconce.model': 'm', ok: true, shape: [1, 2], p: 0.5 },
      links: [{ context: other, attributes: { why: 'merged' } }],
    });
    const run = spanAt({
      tracer,
      name: 'run',
      parent: contextWithSpan(parent, queueWait),
      startMs: startMs + 20,
      endMs: startMs + 10, // another clock
      error: { message: 'out of memory' },
    });
    const spans = await collector.waitFor((all) => all.length === 2);
    expect(spans).toEqual([
      {
        ...CALLER,
        spanId: queueWait.spanId,
        parentSpanId: CALLER.spanId,
        name: 'queue wait',
        kind: 'consumer',
        startMs,
        endMs: startMs + 12.5,
        attributes: { 'sconce.rows': 3, 'sconce.model': 'm', ok: true, shape: [1, 2], p: 0.5 },
        links: [{ traceId: other.traceId, spanId: other.spanId, attributes: { why: 'merged' } }],
        status: 'unset',
        service: 'sconce-test',
      },
      expect.objectContaining({
        traceId: CALLER.traceId,
        spanId: run.spanId,
        parentSpanId: queueWait.spanId,
        startMs: startMs + 20,
        endMs: startMs + 20,
        status: 'error',
        statusMessage: 'out of memory',
      }),
    ]);
  });

  it('are sent by shutdown, when they would still have waited', async () => {
    const collector = await collect();
    const telemetry = await start({ endpoint: collector.url }, { exportDelayMs: 60_000 });
    telemetry.tracer.startActiveSpan('request', (span) => {
      expect(trace.getActiveSpan()).toBe(span);
      expect(injectContext(context.active()).traceparent).toMatch(new RegExp(`^00-${span.spanContext().traceId}-`));
      span.end();
    });
    await telemetry.shutdown();
    expect(collector.spans.map((span) => span.name)).toEqual(['request']);
  });

  it('go out as protobuf too, with the headers asked for', async () => {
    const seen = Promise.withResolvers<Record<string, unknown>>();
    const endpoint = await serve((response, headers) => {
      seen.resolve(headers);
      response.writeHead(200).end();
    });
    const { tracer } = await start({ endpoint, protocol: 'http/protobuf', headers: { 'x-tenant': 'a' } });
    tracer.startSpan('one').end();
    expect(await seen.promise).toMatchObject({ 'content-type': 'application/x-protobuf', 'x-tenant': 'a' });
  });

  it.each<[string, Partial<TelemetryOptions['traces']>, string | undefined, string]>([
    ['a new trace at ratio 0', { sampleRatio: 0 }, undefined, '00'],
    ['an unsampled caller at ratio 1', { sampleRatio: 1 }, UNSAMPLED, '00'],
    ['a new trace without an exporter', { exporter: 'none' }, undefined, '00'],
    ['a sampled caller without an exporter', { exporter: 'none' }, SAMPLED, '01'],
  ])('are not exported for %s, and traceparent stays valid', async (_name, traces, traceparent, flags) => {
    const collector = await collect();
    const telemetry = await start({ endpoint: collector.url, ...traces });
    const parent = extractContext(traceparent === undefined ? {} : { traceparent });
    const span = telemetry.tracer.startSpan('request', {}, parent);
    const child = spanAt({
      tracer: telemetry.tracer,
      name: 'run',
      parent: trace.setSpan(parent, span),
      startMs: Date.now(),
      endMs: Date.now(),
    });
    const headers = injectContext(trace.setSpan(parent, span));
    span.end();
    await telemetry.shutdown();
    expect(headers.traceparent).toMatch(new RegExp(`^00-[0-9a-f]{32}-[0-9a-f]{16}-${flags}$`));
    expect(headers.traceparent).not.toContain('0'.repeat(16));
    expect(child.traceId).toBe(span.spanContext().traceId);
    if (traceparent !== undefined) expect(child.traceId).toBe(CALLER.traceId);
    expect(collector.spans).toEqual([]);
  });

  it('cost nothing under an unsampled parent: the parent comes back', async () => {
    const { tracer } = await start({ exporter: 'none' });
    const parent = extractContext({ traceparent: UNSAMPLED });
    expect(spanAt({ tracer, name: 'run', parent, startMs: 0, endMs: 1 })).toBe(trace.getSpanContext(parent));
  });

  it('that cannot be exported are logged once, and neither throw nor hold up the end', async () => {
    const endpoint = await serve((response) => response.writeHead(400).end());
    const lines: string[] = [];
    const logger = createLogger({
      service: 't',
      level: 'info',
      destination: { write: (line) => void lines.push(line) },
    });
    const { tracer } = await start({ endpoint }, { logger, exportDelayMs: 5 });
    for (let batch = 0; batch < 3; batch++) {
      tracer.startSpan('lost').end();
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(endpoint);
  });

  it('do not hold up the end when the endpoint never answers', async () => {
    const endpoint = await serve(() => undefined);
    const telemetry = await start({ endpoint }, { exportDelayMs: 60_000, shutdownTimeoutMs: 200 });
    telemetry.tracer.startSpan('stuck').end();
    const startedMs = performance.now();
    await telemetry.shutdown();
    expect(performance.now() - startedMs).toBeLessThan(2_000);
  });
});

it.each([['garbage'], [`00-${'0'.repeat(32)}-${'0'.repeat(16)}-01`], [['a', 'b']]])(
  'takes traceparent %j for no parent',
  async (traceparent) => {
    await start({ exporter: 'none' });
    expect(trace.getSpanContext(extractContext({ traceparent }))).toBeUndefined();
  },
);

describe('metrics', () => {
  it('appear in Prometheus text under their declared names, with unit-true values', async () => {
    const { metrics, prometheusText } = await start({ exporter: 'none' });
    const labels = { route: 'infer', model: 'm', outcome: 'ok' };
    metrics.requestDuration.record(0.003, labels);
    metrics.requests.add(2, labels);
    metrics.queueWait.record(0.01, { lane: 'online', model: 'm' });
    metrics.batchWait.record(0.01, { model: 'm' });
    metrics.batchRows.record(8, { model: 'm' });
    metrics.runDuration.record(0.01, { model: 'm' });
    metrics.rows.add(8, { lane: 'batch', model: 'm', outcome: 'ok' });
    metrics.jobs.add(1, { queue: 'q', outcome: 'ok' });
    metrics.jobsInFlight.add(3, { queue: 'q' });
    metrics.jobsInFlight.add(-1, { queue: 'q' });
    metrics.backlog.observe(async () => [{ value: 7, labels: { queue: 'q' } }]);
    metrics.replyMisses.add(1, {});
    metrics.modelLoads.add(1, { model: 'm' });
    metrics.modelLoadDuration.record(1, { model: 'm' });
    metrics.modelsHeld.observe(() => [{ value: 2, labels: {} }]);
    metrics.modelMemory.observe(() => [{ value: 1024, labels: {} }]);
    metrics.modelEvictions.add(1, {});
    metrics.modelDiskBytes.observe(() => [{ value: 2048, labels: { model: 'm' } }]);
    metrics.threadCrashes.add(1, { model: 'm' });
    const text = await prometheusText();
    for (const { name, kind } of Object.values(METRICS)) {
      const type = kind === 'up-down-counter' ? 'gauge' : kind;
      expect(text).toContain(`# TYPE ${name} ${type}\n`);
    }
    expect(text).toContain('sconce_requests_total{route="infer",model="m",outcome="ok"} 2\n');
    expect(text).toContain(
      'sconce_request_duration_seconds_bucket{route="infer",model="m",outcome="ok",le="0.005"} 1\n',
    );
    expect(text).toContain('sconce_jobs_in_flight{queue="q"} 2\n');
    expect(text).toContain('sconce_backlog_jobs{queue="q"} 7\n');
    expect(text).toMatch(/target_info\{.*service_instance_id="i-1"/);
  });

  it('show a blocked event loop at the next scrape only, and the memory of the process', async () => {
    const { prometheusText } = await start({ exporter: 'none' });
    const read = async (labels: string): Promise<number> => {
      const line = (await prometheusText()).split('\n').find((text) => text.includes(labels));
      return Number(line?.split(' ')[1]);
    };
    await new Promise((resolve) => setTimeout(resolve, 30));
    const until = performance.now() + 150;
    while (performance.now() < until);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(await read('sconce_event_loop_lag_seconds{quantile="max"}')).toBeGreaterThan(0.1);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(await read('sconce_event_loop_lag_seconds{quantile="max"}')).toBeLessThan(0.1);
    expect(await read('sconce_process_memory_bytes{kind="rss"}')).toBeGreaterThan(1e6);
  });

  it('answer a scrape over HTTP, and a failing gauge does not take the others along', async () => {
    const telemetry = await start({ exporter: 'none' });
    telemetry.metrics.backlog.observe(() => {
      throw new Error('Redis is away');
    });
    telemetry.metrics.requests.add(1, { route: 'r', model: 'm', outcome: 'ok' });
    const server = createServer((request, response) => void telemetry.handleMetricsRequest(request, response));
    cleanups.push(() => new Promise((resolve) => server.close(resolve)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`, {
      headers: { connection: 'close' },
    });
    expect(response.headers.get('content-type')).toContain('version=0.0.4');
    expect(await response.text()).toContain('sconce_requests_total{');
  });
});

async function serve(handle: (response: ServerResponse, headers: Record<string, unknown>) => void): Promise<string> {
  const server = createServer((request, response) => {
    request.resume().on('end', () => handle(response, request.headers));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`;
}
