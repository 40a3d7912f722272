import { spawnSync } from 'node:child_process';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SpanKind, TraceFlags, context, trace } from '@opentelemetry/api';
import { afterEach, describe, expect, it } from 'vitest';
import { startOtlpCollector, type OtlpCollector } from '@sconce/trace-view';
import {
  METRICS,
  contextWithSpan,
  createLogger,
  extractContext,
  injectContext,
  spanAt,
  startTelemetry,
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

const PROMTOOL = spawnSync('promtool', ['--version']).status === 0;

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
      endMs: startMs + 10, // from another clock
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

  it('are sent by shutdown if they still wait', async () => {
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

  it('are sent as protobuf too, with the configured headers', async () => {
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

  it('are limited to a number of new traces a second, without the traces that callers sampled', async () => {
    const collector = await collect();
    const telemetry = await start({ endpoint: collector.url, maxPerSecond: 2 });
    for (let n = 0; n < 10; n++) telemetry.tracer.startSpan(`new ${n}`).end();
    const parent = extractContext({ traceparent: SAMPLED });
    for (let n = 0; n < 3; n++) telemetry.tracer.startSpan('continued', {}, parent).end();
    await telemetry.shutdown();
    expect(collector.spans.map(({ name }) => name)).toEqual(['new 0', 'new 1', ...Array(3).fill('continued')]);
  });

  it('are not recorded under an unsampled parent, whose context is returned', async () => {
    const { tracer } = await start({ exporter: 'none' });
    const parent = extractContext({ traceparent: UNSAMPLED });
    expect(spanAt({ tracer, name: 'run', parent, startMs: 0, endMs: 1 })).toBe(trace.getSpanContext(parent));
  });

  it('that cannot be exported are logged once and do not throw', async () => {
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

  it('do not delay shutdown when the endpoint never answers', async () => {
    const endpoint = await serve(() => undefined);
    const telemetry = await start({ endpoint }, { exportDelayMs: 60_000, shutdownTimeoutMs: 200 });
    telemetry.tracer.startSpan('stuck').end();
    const startedMs = performance.now();
    await telemetry.shutdown();
    expect(performance.now() - startedMs).toBeLessThan(2_000);
  });
});

it.each([['garbage'], [`00-${'0'.repeat(32)}-${'0'.repeat(16)}-01`], [['a', 'b']]])(
  'ignores the traceparent %j',
  async (traceparent) => {
    await start({ exporter: 'none' });
    expect(trace.getSpanContext(extractContext({ traceparent }))).toBeUndefined();
  },
);

/** A recorder with any labels. The compiler checks the labels in the product's code; this test records all metrics the same way. */
type AnyRecorder = Readonly<Record<string, (value: unknown, labels: object, span?: object) => void>>;

describe('metrics', () => {
  it('appear with their names, types and values in both formats', async () => {
    const { metrics, metricsText } = await start({ exporter: 'none' });
    for (const [key, { kind, labels }] of Object.entries(METRICS)) {
      const recorder = metrics[key as keyof typeof metrics] as unknown as AnyRecorder;
      const own = Object.fromEntries(labels.map((name) => [name, `a "${name}"`]));
      if (kind === 'histogram') recorder['record']?.(0.003, own);
      else if (kind === 'counter' || kind === 'up-down-counter') recorder['add']?.(2, own);
      else recorder['observe']?.(() => [{ value: 7, labels: own }], {});
    }
    const [text, open] = [await metricsText(), await metricsText('openmetrics')];
    for (const { name, kind } of Object.values(METRICS)) {
      const isCounter = kind === 'counter' || kind === 'observed-counter';
      const type = isCounter ? 'counter' : kind === 'histogram' ? 'histogram' : 'gauge';
      expect(text).toContain(`# TYPE ${name} ${type}\n`);
      expect(open).toContain(`# TYPE ${name.replace(/_total$/, '')} ${type}\n`);
      expect(isCounter).toBe(name.endsWith('_total'));
    }
    expect(text).toMatch(/^http_server_request_duration_seconds_bucket\{.*,model="a \\"model\\"",le="0\.005"\} 1$/m);
    expect(text).toContain('sconce_jobs_in_flight{queue="a \\"queue\\""} 2\n');
    expect(text).toContain('sconce_queue_jobs{queue="a \\"queue\\"",state="a \\"state\\""} 7\n');
    expect(text).toMatch(/^target_info\{.*service_instance_id="i-1"/m);
    expect(text).not.toContain('# EOF');
    expect(open).toMatch(/# TYPE target info\n[\s\S]*# UNIT sconce_run_duration_seconds seconds\n[\s\S]*\n# EOF\n$/);
    if (PROMTOOL) {
      const checked = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
      // promtool's advice on names differs from OpenTelemetry's conventions. Only text that it cannot parse is an error.
      expect(checked.stderr).not.toMatch(/error/i);
    }
  });

  it('have an exemplar with the last sampled trace of each bucket in OpenMetrics', async () => {
    const { metrics, metricsText } = await start({ exporter: 'none' });
    const labels = { lane: 'online', model: 'm' };
    const span = (n: number, traceFlags: number) => ({
      traceId: `${n}`.repeat(32),
      spanId: '5'.repeat(16),
      traceFlags,
    });
    metrics.queueWait.record(0.02, labels, span(1, 1));
    metrics.queueWait.record(0.021, labels, span(2, 1));
    metrics.queueWait.record(0.022, labels, span(3, 0));
    metrics.queueWait.record(99, labels, span(4, 1));
    metrics.queueWait.record(0.02, { lane: 'batch', model: 'm' });
    const lines = (await metricsText('openmetrics')).split('\n').filter((line) => line.includes(' # {'));
    expect(lines).toEqual([
      expect.stringMatching(
        /lane="online",model="m",le="0\.025"\} 3 # \{trace_id="2{32}",span_id="5{16}"\} 0\.021 \d{10}\.\d{3}$/,
      ),
      expect.stringMatching(/le="\+Inf"\} 4 # \{trace_id="4{32}",span_id="5{16}"\} 99 \d{10}\.\d{3}$/),
    ]);
    expect(await metricsText()).not.toContain('trace_id');
  });

  it('show only the current label sets of a gauge', async () => {
    const { metrics, metricsText } = await start({ exporter: 'none' });
    const models = ['a', 'b'];
    metrics.quarantined.observe(() => models.map((model) => ({ value: 1, labels: { model } })));
    expect(await metricsText()).toMatch(/versions\{model="a"\} 1\n.*\{model="b"\} 1\n/);
    models.shift();
    expect(await metricsText()).not.toContain('{model="a"}');
    expect(await metricsText()).toContain('{model="b"}');
  });

  it('show a blocked event loop at the next scrape only, and memory and CPU time of the process', async () => {
    const { metricsText } = await start({ exporter: 'none' });
    const read = async (name: string): Promise<number> => {
      const line = (await metricsText()).split('\n').find((text) => text.startsWith(`${name}`));
      return Number(line?.split(' ')[1]);
    };
    // Several turns: on a busy machine, the measuring timer may have no tick in the first one.
    const turns = async (): Promise<void> => {
      for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setTimeout(resolve, 12));
    };
    await turns();
    const until = performance.now() + 150;
    while (performance.now() < until);
    await turns();
    expect(await read('nodejs_eventloop_delay_max_seconds')).toBeGreaterThan(0.1);
    await turns();
    expect(await read('nodejs_eventloop_delay_max_seconds')).toBeLessThan(0.1);
    expect(await read('nodejs_eventloop_utilization_ratio')).toBeLessThanOrEqual(1);
    expect(await read('process_memory_usage_bytes')).toBeGreaterThan(1e6);
    expect(await read('process_cpu_time_seconds_total{cpu_mode="user"}')).toBeGreaterThan(0.1);
    expect(await read('v8js_memory_heap_used_bytes{v8js_heap_space_name="old_space"}')).toBeGreaterThan(1e6);
  });

  it('answer a scrape in its format, and a failing gauge hides only itself', async () => {
    const telemetry = await start({ exporter: 'none' });
    telemetry.metrics.redisUp.observe(() => {
      throw new Error('Redis is away');
    });
    telemetry.metrics.replyMisses.add(1, {});
    const server = createServer((request, response) => void telemetry.handleMetricsRequest(request, response));
    cleanups.push(() => new Promise((resolve) => server.close(resolve)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const scrape = async (accept: string): Promise<[string | null, string]> => {
      const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`, {
        headers: { connection: 'close', accept },
      });
      return [response.headers.get('content-type'), await response.text()];
    };
    expect(await scrape('*/*')).toEqual([
      expect.stringContaining('version=0.0.4'),
      expect.stringContaining('sconce_reply_misses_total 1\n'),
    ]);
    const prometheus = 'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';
    expect(await scrape(prometheus)).toEqual([
      expect.stringContaining('application/openmetrics-text; version=1.0.0'),
      expect.stringMatching(/sconce_reply_misses_total 1\n[\s\S]*# EOF\n$/),
    ]);
    const [type] = await scrape('application/openmetrics-text;q=0.4,text/plain;q=0.5');
    expect(type).toContain('text/plain');
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
