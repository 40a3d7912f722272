import type { SpanRecord } from './span-record.ts';
import { countSpans, formatMs, printable, spanNotes } from './span-text.ts';
import { traceRows, type TraceRow } from './trace-rows.ts';

const MIN_BAR_CHARS = 10;
const MAX_BAR_CHARS = 60;
const MAX_NAME_CHARS = 48;
/** Most spans that are drawn of one trace. */
const MAX_ROWS = 500;
const MAX_ATTRIBUTES = 12;

/** How a waterfall is drawn. */
export interface WaterfallOptions {
  /** Columns of the terminal. Default 100. */
  readonly width?: number;
  /** The first line, instead of the trace's id. */
  readonly title?: string;
  /** Whether the attributes of each span follow its bar. */
  readonly attributes?: boolean;
}

/**
 * Draws spans as one waterfall per trace: the tree on the left, the time of each span as a bar on the right. It draws at most 500 spans of
 * a trace.
 */
export function renderWaterfall(spans: readonly SpanRecord[], options: WaterfallOptions = {}): string {
  return traceRows(spans)
    .map(({ traceId, startMs, endMs, rows }) => {
      const head = `${options.title ?? `trace ${traceId}`}  ${countSpans(rows.length)}, ${formatMs(endMs - startMs)}`;
      const shown = rows.slice(0, MAX_ROWS);
      const more = rows.length > MAX_ROWS ? [`… and ${rows.length - MAX_ROWS} more spans`] : [];
      return `${[head, ...draw(shown, { startMs, endMs }, options), ...more].join('\n')}\n`;
    })
    .join('\n');
}

function draw(
  rows: readonly TraceRow[],
  { startMs, endMs }: { readonly startMs: number; readonly endMs: number },
  { width = 100, attributes = false }: WaterfallOptions,
): string[] {
  const columns = rows.map(({ span, indent }) => ({
    name: cut(`${indent}${printable(span.name)}`),
    service: printable(span.service),
    duration: formatMs(span.endMs - span.startMs),
  }));
  const widest = (key: keyof (typeof columns)[number]): number =>
    Math.max(0, ...columns.map((column) => [...column[key]].length));
  const [nameWidth, serviceWidth, durationWidth] = [widest('name'), widest('service'), widest('duration')];
  const rest = width - nameWidth - serviceWidth - durationWidth - 8;
  const barWidth = Math.max(MIN_BAR_CHARS, Math.min(MAX_BAR_CHARS, rest));
  return rows.map(({ span }, index) => {
    const { name = '', service = '', duration = '' } = columns[index] ?? {};
    const bar = barOf(span, { startMs, spanMs: endMs - startMs, width: barWidth });
    const notes = attributes ? spanNotes(span, MAX_ATTRIBUTES) : spanNotes({ ...span, attributes: {} }, 0);
    return `${name.padEnd(nameWidth)}  ${service.padEnd(serviceWidth)}  ${duration.padStart(durationWidth)}  |${bar}|  ${notes}`.trimEnd();
  });
}

/** The bar of a span within the width, at least one character long. */
function barOf(
  span: SpanRecord,
  { startMs, spanMs, width }: { readonly startMs: number; readonly spanMs: number; readonly width: number },
): string {
  const scale = spanMs > 0 ? width / spanMs : 0;
  const from = Math.min(width - 1, Math.floor((span.startMs - startMs) * scale));
  const to = Math.min(width, Math.max(from + 1, Math.round((span.endMs - startMs) * scale)));
  return `${' '.repeat(from)}${'█'.repeat(to - from)}${' '.repeat(width - to)}`;
}

function cut(name: string): string {
  return name.length > MAX_NAME_CHARS ? `${name.slice(0, MAX_NAME_CHARS - 1)}…` : name;
}
