import type { SpanRecord } from './span-record.ts';

/** A piece of time, in epoch ms. */
export interface TimeRange {
  readonly startMs: number;
  readonly endMs: number;
}

/** The time of one trace that its spans do not explain. */
export interface UncoveredTime {
  /** The parts of the trace in which no span without children ran: nobody knows what happened then. */
  readonly ranges: readonly TimeRange[];
  /** The same by the span that had begun and that no child explains there. Spans without such time are absent. */
  readonly bySpan: ReadonlyMap<SpanRecord, readonly TimeRange[]>;
}

/** Times are microseconds in a stored trace: shorter gaps are rounding. */
const LEAST_GAP_MS = 0.002;

/**
 * Finds the time that the spans of one trace leave open. Only spans without children explain time: a span with children says that
 * something went on, not what.
 */
export function uncoveredTime(spans: readonly SpanRecord[]): UncoveredTime {
  const children = Map.groupBy(spans, ({ parentSpanId }) => parentSpanId);
  const parents = spans.filter(({ spanId }) => children.has(spanId));
  const explained = merge(spans.filter(({ spanId }) => !children.has(spanId)));
  const startMs = spans.reduce((least, span) => Math.min(least, span.startMs), Infinity);
  const endMs = spans.reduce((most, span) => Math.max(most, span.endMs), -Infinity);
  const open = (range: TimeRange): TimeRange[] =>
    without(range, explained).filter((gap) => gap.endMs - gap.startMs >= LEAST_GAP_MS);
  const bySpan = new Map<SpanRecord, readonly TimeRange[]>();
  for (const span of parents) {
    const ranges = without(span, merge(children.get(span.spanId) ?? [])).flatMap(open);
    if (ranges.length > 0) bySpan.set(span, ranges);
  }
  return { ranges: spans.length === 0 ? [] : open({ startMs, endMs }), bySpan };
}

/** The length of ranges that do not overlap, ms. */
export function lengthOf(ranges: readonly TimeRange[]): number {
  return ranges.reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0);
}

/** The union of ranges, in order. */
function merge(ranges: readonly TimeRange[]): TimeRange[] {
  const merged: { startMs: number; endMs: number }[] = [];
  for (const { startMs, endMs } of ranges.toSorted((a, b) => a.startMs - b.startMs)) {
    const last = merged.at(-1);
    if (last !== undefined && startMs <= last.endMs) last.endMs = Math.max(last.endMs, endMs);
    else merged.push({ startMs, endMs });
  }
  return merged;
}

/** The parts of the range outside `covered`, which is in order and without overlaps. */
function without(range: TimeRange, covered: readonly TimeRange[]): TimeRange[] {
  const rest: TimeRange[] = [];
  let { startMs } = range;
  for (let index = firstEndingAfter(covered, startMs); index < covered.length; index++) {
    const { startMs: from, endMs: to } = covered[index] as TimeRange;
    if (from >= range.endMs) break;
    if (from > startMs) rest.push({ startMs, endMs: from });
    startMs = to;
  }
  if (startMs < range.endMs) rest.push({ startMs, endMs: range.endMs });
  return rest;
}

/** The index of the first range that ends after the time: a trace may have thousands of spans. */
function firstEndingAfter(ranges: readonly TimeRange[], atMs: number): number {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ranges[middle] as TimeRange).endMs <= atMs) low = middle + 1;
    else high = middle;
  }
  return low;
}
