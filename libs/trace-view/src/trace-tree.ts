import type { SpanRecord } from './span-record.ts';
import { countSpans, formatMs, printable, spanNotes } from './span-text.ts';
import { traceRows } from './trace-rows.ts';

const MAX_ATTRIBUTES = 4;

/** Draws spans as one tree per trace: name, service, start relative to the trace, duration, a few attributes. */
export function renderTraceTree(spans: readonly SpanRecord[]): string {
  return traceRows(spans)
    .map(({ traceId, startMs, endMs, rows }) => {
      const head = `trace ${traceId}  ${countSpans(rows.length)}, ${formatMs(endMs - startMs)}`;
      return `${[head, ...rows.map(({ span, indent }) => `${indent}${describe(span, startMs)}`)].join('\n')}\n`;
    })
    .join('\n');
}

function describe(span: SpanRecord, traceStartMs: number): string {
  const parts = [
    printable(span.name),
    printable(span.service),
    `+${formatMs(span.startMs - traceStartMs)}`,
    formatMs(span.endMs - span.startMs),
    spanNotes(span, MAX_ATTRIBUTES),
  ];
  return parts.filter((part) => part !== '').join('  ');
}
