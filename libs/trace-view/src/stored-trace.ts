import { SconceError } from '@sconce/errors';
import { z } from 'zod';
import { readExportRequest, type AttributeValue, type SpanRecord } from './span-record.ts';

/** The part of Jaeger's JSON of a trace (`GET /api/traces/ID` of its query service) that Sconce writes and reads. */
const jaegerSchema = z.object({
  data: z.array(
    z.object({
      spans: z.array(
        z.object({
          traceID: z.string(),
          spanID: z.string(),
          operationName: z.string(),
          references: z
            .array(z.object({ refType: z.string(), traceID: z.string(), spanID: z.string() }))
            .nullish()
            .transform((value) => value ?? []),
          /** Microseconds since the epoch. */
          startTime: z.number(),
          duration: z.number(),
          tags: z
            .array(z.object({ key: z.string(), value: z.unknown() }))
            .nullish()
            .transform((value) => value ?? []),
          processID: z.string(),
        }),
      ),
      processes: z.record(z.string(), z.object({ serviceName: z.string() })),
    }),
  ),
});

/** Tags that Jaeger adds to the attributes. */
const KIND = 'span.kind';
const STATUS = 'otel.status_code';
const MESSAGE = 'otel.status_description';
const OWN_TAGS: ReadonlySet<string> = new Set([KIND, STATUS, MESSAGE, 'error', 'span.status.code']);
const KINDS = ['internal', 'server', 'client', 'producer', 'consumer'] as const;

/** Writes a trace in Jaeger's JSON. */
export function toJaegerTrace(traceId: string, spans: readonly SpanRecord[]): z.input<typeof jaegerSchema> {
  const services = [...new Set(spans.map(({ service }) => service))];
  const reference = (refType: string, own: { traceId: string; spanId: string }) => ({
    refType,
    traceID: own.traceId,
    spanID: own.spanId,
  });
  return {
    data: [
      {
        ...{ traceID: traceId },
        spans: spans.map((span) => ({
          traceID: span.traceId,
          spanID: span.spanId,
          operationName: span.name,
          references: [
            ...(span.parentSpanId === undefined
              ? []
              : [reference('CHILD_OF', { traceId: span.traceId, spanId: span.parentSpanId })]),
            ...span.links.map((link) => reference('FOLLOWS_FROM', link)),
          ],
          startTime: Math.round(span.startMs * 1_000),
          duration: Math.max(0, Math.round((span.endMs - span.startMs) * 1_000)),
          tags: [
            ...Object.entries(span.attributes).map(([key, value]) => ({ key, value })),
            ...(span.kind === 'unspecified' ? [] : [{ key: KIND, value: span.kind }]),
            ...(span.status === 'unset' ? [] : [{ key: STATUS, value: span.status.toUpperCase() }]),
            ...(span.statusMessage === undefined ? [] : [{ key: MESSAGE, value: span.statusMessage }]),
          ],
          processID: `p${services.indexOf(span.service)}`,
        })),
        processes: Object.fromEntries(services.map((serviceName, index) => [`p${index}`, { serviceName }])),
      },
    ],
  };
}

/**
 * Reads a trace from the answer of a trace backend: Jaeger's JSON, or OTLP in JSON from Tempo.
 * @throws SconceError `invalid_request` if it is neither.
 */
export function readStoredTrace(body: unknown): readonly SpanRecord[] {
  const jaeger = jaegerSchema.safeParse(body);
  if (jaeger.success)
    return jaeger.data.data.flatMap(({ spans, processes }) => spans.map((span) => fromJaeger(span, processes)));
  const { batches, resourceSpans, trace } = (body ?? {}) as Record<string, unknown>;
  const inner = trace as { readonly resourceSpans?: unknown } | undefined;
  const groups = batches ?? resourceSpans ?? inner?.resourceSpans;
  if (Array.isArray(groups)) return readExportRequest({ resourceSpans: groups.map(normalise) });
  throw new SconceError('invalid_request', 'the answer of the trace backend is neither Jaeger’s JSON nor OTLP in JSON');
}

type JaegerSpan = z.output<typeof jaegerSchema>['data'][number]['spans'][number];

function fromJaeger(
  { traceID, spanID, operationName, references, startTime, duration, tags, processID }: JaegerSpan,
  processes: Readonly<Record<string, { readonly serviceName: string }>>,
): SpanRecord {
  const tag = (key: string): unknown => tags.find((own) => own.key === key)?.value;
  const parent = references.find(({ refType, traceID: of }) => refType === 'CHILD_OF' && of === traceID);
  const status = String(tag(STATUS) ?? (tag('error') === true ? 'ERROR' : 'UNSET')).toLowerCase();
  const message = tag(MESSAGE);
  return {
    traceId: traceID.padStart(32, '0'),
    spanId: spanID,
    parentSpanId: parent?.spanID,
    name: operationName,
    kind: KINDS.find((kind) => kind === tag(KIND)) ?? 'unspecified',
    startMs: startTime / 1_000,
    endMs: (startTime + duration) / 1_000,
    attributes: Object.fromEntries(
      tags.filter(({ key }) => !OWN_TAGS.has(key)).map(({ key, value }) => [key, value as AttributeValue]),
    ),
    links: references
      .filter((reference) => reference !== parent)
      .map((reference) => ({ traceId: reference.traceID, spanId: reference.spanID, attributes: {} })),
    status: status === 'error' || status === 'ok' ? status : 'unset',
    statusMessage: typeof message === 'string' ? message : undefined,
    service: processes[processID]?.serviceName ?? '',
  };
}

const KIND_NAMES = ['UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'];
const STATUS_NAMES = ['UNSET', 'OK', 'ERROR'];

/** Turns protobuf's JSON (ids in base64, enumerations by name) into OTLP's JSON (ids in hexadecimal, enumerations as numbers). */
function normalise(group: unknown): unknown {
  const { scopeSpans, instrumentationLibrarySpans, ...rest } = group as Record<string, unknown>;
  const scopes = (scopeSpans ?? instrumentationLibrarySpans ?? []) as readonly { readonly spans?: unknown }[];
  return {
    ...rest,
    scopeSpans: scopes.map(({ spans }) => ({ spans: ((spans ?? []) as Record<string, unknown>[]).map(normaliseSpan) })),
  };
}

function normaliseSpan(span: Record<string, unknown>): Record<string, unknown> {
  const { kind, status = {}, links = [] } = span;
  const { code, ...rest } = status as { readonly code?: unknown };
  return {
    ...withHexIds(span),
    kind: numberOf(kind, KIND_NAMES, 'SPAN_KIND_'),
    status: { ...rest, code: numberOf(code, STATUS_NAMES, 'STATUS_CODE_') },
    links: (links as Record<string, unknown>[]).map(withHexIds),
  };
}

function withHexIds(of: Record<string, unknown>): Record<string, unknown> {
  const ids = ['traceId', 'spanId', 'parentSpanId'].flatMap((name) => {
    const id = of[name];
    if (typeof id !== 'string' || /^([0-9a-f]{16}|[0-9a-f]{32})?$/i.test(id)) return [];
    return [[name, Buffer.from(id, 'base64').toString('hex')]];
  });
  return { ...of, ...(Object.fromEntries(ids) as Record<string, string>) };
}

function numberOf(value: unknown, names: readonly string[], prefix: string): unknown {
  if (typeof value !== 'string') return value;
  return Math.max(0, names.indexOf(value.replace(prefix, '')));
}
