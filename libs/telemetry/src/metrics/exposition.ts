import type { Attributes } from '@opentelemetry/api';
import { DataPointType, type MetricData, type ResourceMetrics } from '@opentelemetry/sdk-metrics';
import type { Exemplar, ExemplarStore } from './exemplars.ts';

/** Prometheus's text format, or OpenMetrics, which has the same values and exemplars. */
export type ExpositionFormat = 'prometheus' | 'openmetrics';

export const CONTENT_TYPES: Readonly<Record<ExpositionFormat, string>> = {
  prometheus: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

const UNITS: Readonly<Record<string, string>> = { s: 'seconds', By: 'bytes' };
const TOTAL = '_total';

/** The format for an Accept header: OpenMetrics if the scraper prefers it to plain text or accepts both equally. */
export function formatFor(accept: string | undefined): ExpositionFormat {
  const quality = (type: string): number =>
    Math.max(
      0,
      ...(accept ?? '').split(',').map((part) => {
        const [name = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase());
        if (name !== type) return 0;
        const q = parameters.find((parameter) => parameter.startsWith('q='));
        return q === undefined ? 1 : Number(q.slice(2)) || 0;
      }),
    );
  const open = quality('application/openmetrics-text');
  return open > 0 && open >= quality('text/plain') ? 'openmetrics' : 'prometheus';
}

/** Writes the collected metrics. Only OpenMetrics has exemplars, after the buckets of histograms. */
export function writeExposition(
  { resource, scopeMetrics }: ResourceMetrics,
  options: { readonly format: ExpositionFormat; readonly exemplars: ReadonlyMap<string, ExemplarStore> },
): string {
  const open = options.format === 'openmetrics';
  const lines = [
    `# HELP ${open ? 'target' : 'target_info'} Target metadata`,
    open ? '# TYPE target info' : '# TYPE target_info gauge',
    `target_info${labelsOf(resource.attributes)} 1`,
  ];
  for (const metric of scopeMetrics.flatMap(({ metrics }) => metrics)) {
    if (metric.dataPoints.length === 0) continue;
    lines.push(...headOf(metric, open));
    if (metric.dataPointType !== DataPointType.HISTOGRAM) {
      const { name } = metric.descriptor;
      for (const { attributes, value } of metric.dataPoints) {
        if (typeof value === 'number') lines.push(`${name}${labelsOf(attributes)} ${text(value)}`);
      }
      continue;
    }
    const store = open ? options.exemplars.get(metric.descriptor.name) : undefined;
    lines.push(...histogramLines(metric, store));
  }
  if (open) lines.push('# EOF');
  return `${lines.join('\n')}\n`;
}

function headOf({ descriptor, ...metric }: MetricData, open: boolean): string[] {
  const isCounter = metric.dataPointType === DataPointType.SUM && metric.isMonotonic;
  // In OpenMetrics the name of a counter's family lacks the suffix of its samples.
  const family = open && isCounter ? descriptor.name.slice(0, -TOTAL.length) : descriptor.name;
  const unit = UNITS[descriptor.unit];
  const type = metric.dataPointType === DataPointType.HISTOGRAM ? 'histogram' : isCounter ? 'counter' : 'gauge';
  return [
    `# HELP ${family} ${escape(descriptor.description)}`,
    `# TYPE ${family} ${type}`,
    ...(open && unit !== undefined && family.endsWith(`_${unit}`) ? [`# UNIT ${family} ${unit}`] : []),
  ];
}

function histogramLines(
  { descriptor: { name }, dataPoints }: Extract<MetricData, { dataPointType: DataPointType.HISTOGRAM }>,
  store: ExemplarStore | undefined,
): string[] {
  return dataPoints.flatMap(({ attributes, value: { buckets, count, sum } }) => {
    const exemplars = store?.of(attributes) ?? [];
    let below = 0;
    const lines = buckets.counts.map((own, index) => {
      below += own;
      const le = buckets.boundaries[index] ?? Infinity;
      return `${name}_bucket${labelsOf({ ...attributes, le: text(le) })} ${below}${exemplarText(exemplars[index])}`;
    });
    const labels = labelsOf(attributes);
    return [...lines, `${name}_count${labels} ${count}`, `${name}_sum${labels} ${text(sum ?? 0)}`];
  });
}

function exemplarText(exemplar: Exemplar | undefined): string {
  if (exemplar === undefined) return '';
  const { traceId, spanId, value, atMs } = exemplar;
  return ` # {trace_id="${traceId}",span_id="${spanId}"} ${text(value)} ${(atMs / 1_000).toFixed(3)}`;
}

function labelsOf(attributes: Attributes): string {
  const pairs = Object.entries(attributes).map(
    ([name, value]) =>
      `${name.replaceAll(/[^A-Za-z0-9_]/g, '_')}="${escape(typeof value === 'string' ? value : JSON.stringify(value)).replaceAll('"', '\\"')}"`,
  );
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escape(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function text(value: number): string {
  if (value === Infinity) return '+Inf';
  return value === -Infinity ? '-Inf' : String(value);
}
