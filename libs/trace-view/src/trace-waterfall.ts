import type { SpanRecord } from './span-record.ts';
import { UNCOVERED, countSpans, formatMs, printable, spanNotes } from './span-text.ts';
import { lengthOf, type TimeRange } from './uncovered-time.ts';
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
    .map(({ traceId, startMs, endMs, rows, spans: count, uncoveredMs }) => {
      const open = uncoveredMs > 0 ? `, ${formatMs(uncoveredMs)} uncovered` : '';
      const head = `${options.title ?? `trace ${traceId}`}  ${countSpans(count)}, ${formatMs(endMs - startMs)}${open}`;
      const shown = rows.slice(0, MAX_ROWS);
      const hidden = rows.slice(MAX_ROWS).filter(({ uncovered }) => uncovered === undefined).length;
      const more = hidden > 0 ? [`… and ${hidden} more spans`] : [];
      return `${[head, ...draw(shown, { startMs, endMs }, options), ...more].join('\n')}\n`;
    })
    .join('\n');
}

function draw(
  rows: readonly TraceRow[],
  { startMs, endMs }: { readonly startMs: number; readonly endMs: number },
  { width = 100, attributes = false }: WaterfallOptions,
): string[] {
  const columns = rows.map(({ span, indent, uncovered }) => ({
    name: cut(`${indent}${uncovered === undefined ? printable(span.name) : UNCOVERED}`),
    service: printable(span.service),
    duration: formatMs(lengthOf(uncovered ?? [span])),
  }));
  const widest = (key: keyof (typeof columns)[number]): number =>
    Math.max(0, ...columns.map((column) => [...column[key]].length));
  const [nameWidth, serviceWidth, durationWidth] = [widest('name'), widest('service'), widest('duration')];
  const rest = width - nameWidth - serviceWidth - durationWidth - 8;
  const barWidth = Math.max(MIN_BAR_CHARS, Math.min(MAX_BAR_CHARS, rest));
  return rows.map(({ span, uncovered }, index) => {
    const { name = '', service = '', duration = '' } = columns[index] ?? {};
    const bar = barOf(uncovered ?? [span], {
      startMs,
      spanMs: endMs - startMs,
      width: barWidth,
      sign: uncovered === undefined ? '█' : '░',
    });
    const notes =
      uncovered !== undefined
        ? ''
        : attributes
          ? spanNotes(span, MAX_ATTRIBUTES)
          : spanNotes({ ...span, attributes: {} }, 0);
    return `${name.padEnd(nameWidth)}  ${service.padEnd(serviceWidth)}  ${duration.padStart(durationWidth)}  |${bar}|  ${notes}`.trimEnd();
  });
}

interface BarOptions {
  readonly startMs: number;
  readonly spanMs: number;
  readonly width: number;
  readonly sign: string;
}

/** Ranges of time as bars within the width, each at least one character long. */
function barOf(ranges: readonly TimeRange[], { startMs, spanMs, width, sign }: BarOptions): string {
  const scale = spanMs > 0 ? width / spanMs : 0;
  const chars = Array<string>(width).fill(' ');
  for (const range of ranges) {
    const from = Math.min(width - 1, Math.floor((range.startMs - startMs) * scale));
    const to = Math.min(width, Math.max(from + 1, Math.round((range.endMs - startMs) * scale)));
    chars.fill(sign, from, to);
  }
  return chars.join('');
}

function cut(name: string): string {
  return name.length > MAX_NAME_CHARS ? `${name.slice(0, MAX_NAME_CHARS - 1)}…` : name;
}
