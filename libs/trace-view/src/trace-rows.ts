import type { SpanRecord } from './span-record.ts';
import { lengthOf, uncoveredTime, type TimeRange } from './uncovered-time.ts';

/** A span and its place in the tree. */
export interface TraceRow {
  readonly span: SpanRecord;
  /** The lines before its name: `│  └─ `. */
  readonly indent: string;
  /** Set if the row shows the time of the span that its children do not explain. */
  readonly uncovered?: readonly TimeRange[];
}

/** The spans of one trace, in the order in which a tree shows them. */
export interface TraceRows {
  readonly traceId: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly rows: readonly TraceRow[];
  readonly spans: number;
  /** Time that no span explains, ms. */
  readonly uncoveredMs: number;
}

/** Deeper spans are not indented further. A chain of thousands of spans would make megabytes of spaces. */
const MAX_INDENT_CHARS = 150;

/**
 * Orders spans as one tree per trace: children below their parents, by start. A span whose parent is not among the spans is a root.
 */
export function traceRows(spans: readonly SpanRecord[]): readonly TraceRows[] {
  const traces = Map.groupBy(spans, (span) => span.traceId);
  return [...traces].map(([traceId, members]) => rowsOf(traceId, members));
}

function rowsOf(traceId: string, members: readonly SpanRecord[]): TraceRows {
  const spans = members.toSorted((a, b) => a.startMs - b.startMs);
  const ids = new Set(spans.map((span) => span.spanId));
  const children = Map.groupBy(spans, (span) => span.parentSpanId);
  const startMs = spans[0]?.startMs ?? 0;
  const endMs = spans.reduce((latest, span) => Math.max(latest, span.endMs), startMs);
  const uncovered = uncoveredTime(spans);
  const rows: TraceRow[] = [];
  const drawn = new Set<SpanRecord>();
  // An explicit stack: a chain of spans may be longer than the call stack.
  const draw = (roots: readonly SpanRecord[]): void => {
    const stack = toFrames(roots, '');
    for (let frame = stack.pop(); frame !== undefined; frame = stack.pop()) {
      const { span, indent, isLast, ranges } = frame;
      if (ranges !== undefined) {
        rows.push({ span, indent: `${indent}└─ `, uncovered: ranges });
        continue;
      }
      if (drawn.has(span)) continue;
      drawn.add(span);
      rows.push({ span, indent: `${indent}${isLast ? '└─ ' : '├─ '}` });
      const inner = indent.length < MAX_INDENT_CHARS ? `${indent}${isLast ? '   ' : '│  '}` : indent;
      const open = uncovered.bySpan.get(span);
      // The time that is not covered comes last, so it goes onto the stack first.
      if (open !== undefined) stack.push({ span, indent: inner, isLast: true, ranges: open });
      stack.push(...toFrames(children.get(span.spanId) ?? [], inner, open === undefined));
    }
  };
  draw(spans.filter((span) => span.parentSpanId === undefined || !ids.has(span.parentSpanId)));
  // Spans that are each other's parents have no root. Broken data is drawn too.
  for (const span of spans) if (!drawn.has(span)) draw([span]);
  return { traceId, startMs, endMs, rows, spans: spans.length, uncoveredMs: lengthOf(uncovered.ranges) };
}

interface Frame {
  readonly span: SpanRecord;
  readonly indent: string;
  readonly isLast: boolean;
  readonly ranges?: readonly TimeRange[];
}

/** In reverse order, because the stack gives the last one first. */
function toFrames(spans: readonly SpanRecord[], indent: string, endsTree = true): Frame[] {
  return spans.map((span, index) => ({ span, indent, isLast: endsTree && index === spans.length - 1 })).toReversed();
}
