export { startOtlpCollector, type OtlpCollector, type OtlpCollectorOptions } from './otlp-collector.ts';
export type { AttributeValue, SpanLinkRecord, SpanRecord } from './span-record.ts';
export { readStoredTrace } from './stored-trace.ts';
export { renderTraceTree } from './trace-tree.ts';
export { lengthOf, uncoveredTime, type TimeRange, type UncoveredTime } from './uncovered-time.ts';
export { renderWaterfall, type WaterfallOptions } from './trace-waterfall.ts';
