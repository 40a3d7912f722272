import type { Attributes } from '@opentelemetry/api';
import { DataPointType, type ResourceMetrics } from '@opentelemetry/sdk-metrics';
import type { Exemplar, Histogram } from './histogram.ts';

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
  options: { readonly format: ExpositionFormat; readonly histograms: readonly Histogram[] },
): string {
  const open = options.format === 'openmetrics';
  const lines = [
    `# HELP ${open ? 'target' : 'target_info'} Target metadata`,
    open ? '# TYPE target info' : '# TYPE target_info gauge',
    `target_info${labelsOf(resource.attributes)} 1`,
  ];
  for (const metric of scopeMetrics.flatMap(({ metrics }) => metrics)) {
    if (metric.dataPoints.length === 0 || metric.dataPointType === DataPointType.HISTOGRAM) continue;
    const isCounter = metric.dataPointType === DataPointType.SUM && metric.isMonotonic;
    lines.push(...headOf(metric.descriptor, { type: isCounter ? 'counter' : 'gauge', open }));
    const { name } = metric.descriptor;
    for (const { attributes, value } of metric.dataPoints) {
      if (typeof value === 'number') lines.push(`${name}${labelsOf(attributes)} ${text(value)}`);
    }
  }
  for (const histogram of options.histograms) {
    const samples = histogramLines(histogram, open);
    if (samples.length > 0) lines.push(...headOf(histogram.definition, { type: 'histogram', open }), ...samples);
  }
  if (open) lines.push('# EOF');
  return `${lines.join('\n')}\n`;
}

function headOf(
  { name, description, unit }: { readonly name: string; readonly description: string; readonly unit: string },
  { type, open }: { readonly type: 'counter' | 'gauge' | 'histogram'; readonly open: boolean },
): string[] {
  // In OpenMetrics the name of a counter's family lacks the suffix of its samples.
  const family = open && type === 'counter' ? name.slice(0, -TOTAL.length) : name;
  const suffix = UNITS[unit];
  return [
    `# HELP ${family} ${escape(description)}`,
    `# TYPE ${family} ${type}`,
    ...(open && suffix !== undefined && family.endsWith(`_${suffix}`) ? [`# UNIT ${family} ${suffix}`] : []),
  ];
}

function histogramLines({ definition: { name, buckets = [] }, series }: Histogram, open: boolean): string[] {
  return [...series].flatMap(({ labels, counts, count, sum, exemplars }) => {
    let below = 0;
    const lines = counts.map((own, index) => {
      below += own;
      const le = text(buckets[index] ?? Infinity);
      return `${name}_bucket${labelsOf({ ...labels, le })} ${below}${open ? exemplarText(exemplars[index]) : ''}`;
    });
    return [...lines, `${name}_count${labelsOf(labels)} ${count}`, `${name}_sum${labelsOf(labels)} ${text(sum)}`];
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
