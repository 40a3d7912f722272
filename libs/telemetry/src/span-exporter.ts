import { ExportResultCode } from '@opentelemetry/core';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-node';
import type { Logger } from './logger.ts';
import type { TelemetryConfig } from './telemetry-config.ts';

const LOG_EVERY_MS = 60_000;

/** Loads the OTLP exporter of the configured protocol. Its failures are logged at most once a minute and never thrown. */
export async function createSpanExporter(
  traces: TelemetryConfig['traces'],
  options: { readonly logger: Logger | undefined; readonly timeoutMs: number },
): Promise<SpanExporter> {
  const settings = { url: traces.endpoint, headers: { ...traces.headers }, timeoutMillis: options.timeoutMs };
  // Loaded on demand: without tracing, the protobuf code would add tens of milliseconds to the start.
  const { OTLPTraceExporter } =
    traces.protocol === 'http/json'
      ? await import('@opentelemetry/exporter-trace-otlp-http')
      : await import('@opentelemetry/exporter-trace-otlp-proto');
  return reportFailures(new OTLPTraceExporter(settings), traces.endpoint, options.logger);
}

/** Wraps an exporter so that a failed export is only logged, at most once a minute. */
export function reportFailures(exporter: SpanExporter, endpoint: string, logger: Logger | undefined): SpanExporter {
  let lostSpans = 0;
  let lastLogMs = -Infinity;
  const fail = (error: unknown, spans: readonly ReadableSpan[]): void => {
    lostSpans += spans.length;
    if (performance.now() - lastLogMs < LOG_EVERY_MS) return;
    lastLogMs = performance.now();
    logger?.warn({ err: error, endpoint, lostSpans }, 'spans could not be exported; is the OTLP endpoint reachable?');
    lostSpans = 0;
  };
  return {
    export: (spans, done) => {
      try {
        exporter.export(spans, (result) => {
          if (result.code !== ExportResultCode.SUCCESS) fail(result.error, spans);
          done(result);
        });
      } catch (error) {
        fail(error, spans);
        done({ code: ExportResultCode.FAILED });
      }
    },
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
    shutdown: () => exporter.shutdown(),
  };
}
