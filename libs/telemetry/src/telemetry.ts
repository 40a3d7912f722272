import type { IncomingMessage, ServerResponse } from 'node:http';
import { context, propagation, trace, type Meter, type Tracer } from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import {
  BatchSpanProcessor,
  NodeTracerProvider,
  ParentBasedSampler,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import { ATTR_SERVICE_INSTANCE_ID, ATTR_SERVICE_NAME, ATTR_SERVICE_VERSION } from '@opentelemetry/semantic-conventions';
import { withTimeout } from '@sconce/process/time';
import type { Logger } from './logger.ts';
import { CONTENT_TYPES, formatFor, writeExposition, type ExpositionFormat } from './metrics/exposition.ts';
import { observeProcess } from './metrics/observe-process.ts';
import { PullReader } from './metrics/pull-reader.ts';
import { createMetrics, type SconceMetrics } from './metrics/recorders.ts';
import { RequestTracer } from './request-trace.ts';
import { RootSampler } from './root-sampler.ts';
import { createSpanExporter } from './span-exporter.ts';
import type { TelemetryConfig } from './telemetry-config.ts';

/** Options of `startTelemetry`. */
export interface TelemetryOptions {
  /** `service.name`, e.g. `sconce-api`. */
  readonly service: string;
  readonly version: string;
  /** `service.instance.id`: unique among the processes of a service. */
  readonly instanceId: string;
  readonly traces: TelemetryConfig['traces'];
  /** Logs failed exports, at most once a minute. */
  readonly logger?: Logger;
  /** How long a finished span may wait for others before it is sent, ms. Default 1000. */
  readonly exportDelayMs?: number;
  /** Longest time of `shutdown` and of one export, ms. Default 5000. */
  readonly shutdownTimeoutMs?: number;
}

/** A process's tracing and metrics. States: running → (shutdown) → ended. One per process at a time. */
export interface Telemetry {
  readonly tracer: Tracer;
  readonly requestTracer: RequestTracer;
  readonly meter: Meter;
  readonly metrics: SconceMetrics;
  /** All metrics as text. Default format: Prometheus. */
  metricsText(format?: ExpositionFormat): Promise<string>;
  /** Answers a scrape in the format of its Accept header. */
  handleMetricsRequest(request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** Sends the spans that wait. Resolves within `shutdownTimeoutMs`, even if the endpoint does not answer. */
  shutdown(): Promise<void>;
}

const MAX_QUEUED_SPANS = 4_096;
const MAX_SPANS_PER_EXPORT = 512;
const DEFAULT_EXPORT_DELAY_MS = 1_000;
const DEFAULT_SHUTDOWN_TIMEOUT_MS = 5_000;
const SCOPE = 'sconce';

/**
 * Starts tracing (registered with OpenTelemetry's API: AsyncLocalStorage context, W3C trace context and baggage) and
 * metrics. With `exporter: 'none'` no span is recorded, and traceparent is still honoured and valid.
 */
export async function startTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  const shutdownTimeoutMs = options.shutdownTimeoutMs ?? DEFAULT_SHUTDOWN_TIMEOUT_MS;
  const resource = resourceFromAttributes({
    [ATTR_SERVICE_NAME]: options.service,
    [ATTR_SERVICE_VERSION]: options.version,
    [ATTR_SERVICE_INSTANCE_ID]: options.instanceId,
  });
  const { traces } = options;
  // Without an exporter no new trace is recorded. A caller's sampled flag is passed on, because other services may record.
  const sampler = new RootSampler(
    traces.exporter === 'none' ? { ratio: 0 } : { ratio: traces.sampleRatio, maxPerSecond: traces.maxPerSecond },
  );
  const tracerProvider = new NodeTracerProvider({
    resource,
    sampler: new ParentBasedSampler({ root: sampler }),
    spanProcessors: await spanProcessorsOf(options, shutdownTimeoutMs),
  });
  tracerProvider.register();
  const tracer = tracerProvider.getTracer(SCOPE, options.version);

  const reader = new PullReader();
  const meterProvider = new MeterProvider({ resource, readers: [reader] });
  const meter = meterProvider.getMeter(SCOPE, options.version);
  const { metrics, histograms } = createMetrics(meter);
  const stopObserving = observeProcess(metrics);

  const metricsText = async (format: ExpositionFormat = 'prometheus'): Promise<string> => {
    const { resourceMetrics } = await reader.collect();
    return writeExposition(resourceMetrics, { format, histograms });
  };
  let ended: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    stopObserving();
    await withTimeout(Promise.allSettled([tracerProvider.shutdown(), meterProvider.shutdown()]), shutdownTimeoutMs);
    trace.disable();
    context.disable();
    propagation.disable();
  };
  return {
    tracer,
    requestTracer: new RequestTracer(tracer, sampler),
    meter,
    metrics,
    metricsText,
    handleMetricsRequest: async (request, response) => {
      try {
        const format = formatFor(request.headers.accept);
        const text = await metricsText(format);
        response.writeHead(200, { 'content-type': CONTENT_TYPES[format], vary: 'accept' }).end(text);
      } catch (error) {
        options.logger?.error({ err: error }, 'metrics could not be collected');
        response.writeHead(500, { 'content-type': 'text/plain' }).end('metrics could not be collected\n');
      }
    },
    shutdown: () => (ended ??= end()),
  };
}

async function spanProcessorsOf(
  { traces, logger, exportDelayMs }: TelemetryOptions,
  timeoutMs: number,
): Promise<SpanProcessor[]> {
  if (traces.exporter === 'none') return [];
  const processor = new BatchSpanProcessor(await createSpanExporter(traces, { logger, timeoutMs }), {
    maxQueueSize: MAX_QUEUED_SPANS,
    maxExportBatchSize: MAX_SPANS_PER_EXPORT,
    scheduledDelayMillis: exportDelayMs ?? DEFAULT_EXPORT_DELAY_MS,
    exportTimeoutMillis: timeoutMs,
  });
  return [processor];
}
