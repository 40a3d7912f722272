import type { AttributeValue, SpanRecord } from './span-record.ts';

/** The name of time that the spans of a trace do not explain. */
export const UNCOVERED = '(uncovered)';

const MAX_VALUE_CHARS = 40;

/** A span's first attributes, links and error, for people: `sconce.rows=8 1 link ERROR out of memory`; '' if it has none. */
export function spanNotes(span: SpanRecord, maxAttributes: number): string {
  const attributes = Object.entries(span.attributes)
    .slice(0, maxAttributes)
    .map(([key, value]) => `${printable(key)}=${short(value)}`);
  const parts = attributes.length > 0 ? [attributes.join(' ')] : [];
  if (span.links.length > 0) parts.push(`${span.links.length} ${span.links.length === 1 ? 'link' : 'links'}`);
  if (span.status === 'error') parts.push(`ERROR ${short(span.statusMessage ?? '')}`.trimEnd());
  return parts.join('  ');
}

/** Replaces line ends and terminal escapes, which would break the drawing. */
export function printable(text: string): string {
  return text.replaceAll(/[\s\p{Cc}]+/gu, ' ');
}

/** `12.50 ms` */
export function formatMs(value: number): string {
  return `${value.toFixed(2)} ms`;
}

/** `1 span`, `5 spans` */
export function countSpans(count: number): string {
  return `${count} ${count === 1 ? 'span' : 'spans'}`;
}

function short(value: AttributeValue): string {
  const text = printable(typeof value === 'string' ? value : JSON.stringify(value));
  return text.length > MAX_VALUE_CHARS ? `${text.slice(0, MAX_VALUE_CHARS - 1)}…` : text;
}
