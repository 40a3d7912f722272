import type { AttributeValue, SpanRecord } from './span-record.ts';

const MAX_ATTRIBUTES = 4;
const MAX_VALUE_CHARS = 40;
/** Deeper spans are drawn no further right: a chain of thousands must not make megabytes of blanks. */
const MAX_INDENT_CHARS = 150;

/**
 * Draws spans as one tree per trace: name, service, start after the trace's first span, duration, a few attributes.
 * Children are in order of start; a span whose parent is not among `spans` is drawn as a root.
 */
export function renderTraceTree(spans: readonly SpanRecord[]): string {
  const traces = Map.groupBy(spans, (span) => span.traceId);
  return [...traces].map(([traceId, members]) => renderTrace(traceId, members)).join('\n');
}

function renderTrace(traceId: string, members: readonly SpanRecord[]): string {
  const spans = members.toSorted((a, b) => a.startMs - b.startMs);
  const ids = new Set(spans.map((span) => span.spanId));
  const children = Map.groupBy(spans, (span) => span.parentSpanId);
  const startMs = spans[0]?.startMs ?? 0;
  const endMs = spans.reduce((latest, span) => Math.max(latest, span.endMs), startMs);

  const lines = [
    `trace ${traceId}  ${members.length} ${members.length === 1 ? 'span' : 'spans'}, ${ms(endMs - startMs)}`,
  ];
  const drawn = new Set<SpanRecord>();
  // An explicit stack: a chain of spans may be longer than the call stack.
  const draw = (roots: readonly SpanRecord[]): void => {
    const stack = toFrames(roots, '');
    for (let frame = stack.pop(); frame !== undefined; frame = stack.pop()) {
      const { span, indent, isLast } = frame;
      if (drawn.has(span)) continue;
      drawn.add(span);
      lines.push(`${indent}${isLast ? '└─ ' : '├─ '}${describe(span, startMs)}`);
      const inner = indent.length < MAX_INDENT_CHARS ? `${indent}${isLast ? '   ' : '│  '}` : indent;
      stack.push(...toFrames(children.get(span.spanId) ?? [], inner));
    }
  };
  draw(spans.filter((span) => span.parentSpanId === undefined || !ids.has(span.parentSpanId)));
  // Spans that are each other's parents hang from no root; broken data is shown all the same.
  for (const span of spans) if (!drawn.has(span)) draw([span]);
  return `${lines.join('\n')}\n`;
}

interface Frame {
  readonly span: SpanRecord;
  readonly indent: string;
  readonly isLast: boolean;
}

/** Last first, so that popping gives them in order. */
function toFrames(spans: readonly SpanRecord[], indent: string): Frame[] {
  return spans.map((span, index) => ({ span, indent, isLast: index === spans.length - 1 })).toReversed();
}

function describe(span: SpanRecord, traceStartMs: number): string {
  const parts = [
    printable(span.name),
    printable(span.service),
    `+${ms(span.startMs - traceStartMs)}`,
    ms(span.endMs - span.startMs),
  ];
  const attributes = Object.entries(span.attributes)
    .slice(0, MAX_ATTRIBUTES)
    .map(([key, value]) => `${printable(key)}=${short(value)}`);
  if (attributes.length > 0) parts.push(attributes.join(' '));
  if (span.links.length > 0) parts.push(`${span.links.length} ${span.links.length === 1 ? 'link' : 'links'}`);
  if (span.status === 'error') parts.push(`ERROR ${short(span.statusMessage ?? '')}`.trimEnd());
  return parts.filter((part) => part !== '').join('  ');
}

function short(value: AttributeValue): string {
  const text = printable(typeof value === 'string' ? value : JSON.stringify(value));
  return text.length > MAX_VALUE_CHARS ? `${text.slice(0, MAX_VALUE_CHARS - 1)}…` : text;
}

/** Line ends and terminal escapes out of what a span carries would break the drawing. */
function printable(text: string): string {
  return text.replaceAll(/[\s\p{Cc}]+/gu, ' ');
}

function ms(value: number): string {
  return `${value.toFixed(2)} ms`;
}
