import type { SpanRecord } from './span-record.ts';
import { UNCOVERED, countSpans, formatMs, printable, spanNotes } from './span-text.ts';
import { lengthOf } from './uncovered-time.ts';
import { traceRows } from './trace-rows.ts';

const MAX_ATTRIBUTES = 4;

/** Draws spans as one tree per trace: name, service, start relative to the trace, duration, a few attributes. */
export function renderTraceTree(spans: readonly SpanRecord[]): string {
  return traceRows(spans)
    .map(({ traceId, startMs, endMs, rows, spans: count }) => {
      const head = `trace ${traceId}  ${countSpans(count)}, ${formatMs(endMs - startMs)}`;
      const lines = rows.map(({ span, indent, uncovered }) =>
        uncovered === undefined
          ? `${indent}${describe(span, startMs)}`
          : `${indent}${UNCOVERED}  ${formatMs(lengthOf(uncovered))}`,
      );
      return `${[head, ...lines].join('\n')}\n`;
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
