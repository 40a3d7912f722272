import { SconceError } from '@sconce/errors';
import * as z from 'zod';

/** The value of an attribute. */
export type AttributeValue =
  string | number | boolean | null | readonly AttributeValue[] | { readonly [key: string]: AttributeValue };

/** A link from a span to a span of another trace. */
export interface SpanLinkRecord {
  readonly traceId: string;
  readonly spanId: string;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

/** A finished span as plain data. Ids are lower-case hex; times are milliseconds since the epoch, to the microsecond. */
export interface SpanRecord {
  readonly traceId: string;
  readonly spanId: string;
  /** Absent in a root span. */
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: 'unspecified' | 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  readonly links: readonly SpanLinkRecord[];
  readonly status: 'unset' | 'ok' | 'error';
  readonly statusMessage?: string;
  /** The resource's `service.name`; '' when it has none. */
  readonly service: string;
}

const KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'] as const;
const STATUSES = ['unset', 'ok', 'error'] as const;
/** How deep an attribute's arrays and maps may nest; deeper ones are dropped. */
const MAX_VALUE_DEPTH = 8;

const hexId = (bytes: number) =>
  z
    .string()
    .regex(new RegExp(`^[0-9a-fA-F]{${bytes * 2}}$`))
    .toLowerCase();
const unixNano = z.union([z.string().regex(/^\d{1,20}$/), z.number().int().nonnegative()]);
const attributes = z.array(z.object({ key: z.string(), value: z.unknown() })).default([]);

const otlpSpan = z.object({
  traceId: hexId(16),
  spanId: hexId(8),
  parentSpanId: z.union([hexId(8), z.literal('')]).optional(),
  name: z.string(),
  kind: z.number().int().optional(),
  startTimeUnixNano: unixNano,
  endTimeUnixNano: unixNano,
  attributes,
  links: z.array(z.object({ traceId: hexId(16), spanId: hexId(8), attributes })).default([]),
  status: z.object({ code: z.number().int().optional(), message: z.string().optional() }).default({}),
});

/** OTLP's ExportTraceServiceRequest in JSON. Unused fields are ignored, as the protocol requires. */
const exportRequest = z.object({
  resourceSpans: z
    .array(
      z.object({
        resource: z.object({ attributes }).optional(),
        scopeSpans: z.array(z.object({ spans: z.array(otlpSpan).default([]) })).default([]),
      }),
    )
    .default([]),
});

/** Reads a parsed OTLP/JSON trace export. @throws SconceError `invalid_request` that names the field. */
export function readExportRequest(body: unknown): readonly SpanRecord[] {
  const parsed = exportRequest.safeParse(body);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const place = issue?.path.join('.') || 'the body';
    throw new SconceError('invalid_request', `not an OTLP trace export: ${place}: ${issue?.message ?? 'not valid'}`);
  }
  return parsed.data.resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = readAttributes(resource?.attributes ?? [])['service.name'];
    const name = typeof service === 'string' ? service : '';
    return scopeSpans.flatMap(({ spans }) => spans.map((span) => toRecord(span, name)));
  });
}

function toRecord(span: z.infer<typeof otlpSpan>, service: string): SpanRecord {
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    ...(span.parentSpanId ? { parentSpanId: span.parentSpanId } : {}),
    name: span.name,
    kind: KINDS[span.kind ?? 0] ?? 'unspecified',
    startMs: toMs(span.startTimeUnixNano),
    endMs: toMs(span.endTimeUnixNano),
    attributes: readAttributes(span.attributes),
    links: span.links.map((link) => ({ ...link, attributes: readAttributes(link.attributes) })),
    status: STATUSES[span.status.code ?? 0] ?? 'unset',
    statusMessage: span.status.message || undefined,
    service,
  };
}

/** A double has today's nanoseconds only to 256 ns. The division of integers keeps the microseconds exact. */
function toMs(unixNanos: string | number): number {
  return Number(BigInt(unixNanos) / 1_000n) / 1_000;
}

function readAttributes(pairs: z.infer<typeof attributes>): Readonly<Record<string, AttributeValue>> {
  // Object.fromEntries defines own properties, so a key named __proto__ is an ordinary key.
  return Object.fromEntries(pairs.map(({ key, value }) => [key, readValue(value, MAX_VALUE_DEPTH)]));
}

function readValue(value: unknown, depth: number): AttributeValue {
  if (typeof value !== 'object' || value === null || depth === 0) return null;
  const { stringValue, boolValue, intValue, doubleValue, arrayValue, kvlistValue } = value as Record<string, unknown>;
  if (typeof stringValue === 'string') return stringValue;
  if (typeof boolValue === 'boolean') return boolValue;
  if (typeof intValue === 'string' || typeof intValue === 'number') return Number(intValue);
  if (typeof doubleValue === 'number' || typeof doubleValue === 'string') return Number(doubleValue);
  const items = listIn(arrayValue);
  if (items !== undefined) return items.map((item) => readValue(item, depth - 1));
  const pairs = listIn(kvlistValue);
  if (pairs === undefined) return null;
  return Object.fromEntries(
    pairs.map((pair) => {
      const { key, value: inner } = (pair ?? {}) as Record<string, unknown>;
      return [String(key), readValue(inner, depth - 1)];
    }),
  );
}

function listIn(holder: unknown): readonly unknown[] | undefined {
  if (typeof holder !== 'object' || holder === null) return undefined;
  const { values = [] } = holder as { values?: unknown };
  return Array.isArray(values) ? values : undefined;
}
