export {
  ROOT_CONTEXT,
  SpanKind,
  context,
  trace,
  type Attributes,
  type Context,
  type Link,
  type Meter,
  type Span,
  type SpanContext,
  type Tracer,
} from '@opentelemetry/api';
export { serializeErrorForLog, type LoggedError } from './error-serializer.ts';
export { HealthServer } from './health-server.ts';
export {
  LOG_LEVELS,
  createLogger,
  type DestinationStream,
  type LogLevel,
  type Logger,
  type LoggerOptions,
} from './logger.ts';
export { METRICS, type MetricDefinition, type MetricKey } from './metric-table.ts';
export { createMetrics, type Reading, type SconceMetrics } from './metrics.ts';
export { startOtlpCollector, type OtlpCollector, type OtlpCollectorOptions } from './otlp-collector.ts';
export type { AttributeValue, SpanLinkRecord, SpanRecord } from './span-record.ts';
export { telemetryConfigFromEnv, telemetryConfigSchema, type TelemetryConfig } from './telemetry-config.ts';
export { PROMETHEUS_CONTENT_TYPE, startTelemetry, type Telemetry, type TelemetryOptions } from './telemetry.ts';
export {
  contextWithSpan,
  extractContext,
  injectContext,
  spanAt,
  type SpanRecordOptions,
  type TraceHeaders,
} from './trace-context.ts';
export { renderTraceTree } from './trace-tree.ts';
