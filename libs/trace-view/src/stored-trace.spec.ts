import { expect, it } from 'vitest';
import { readStoredTrace, type SpanRecord } from './index.ts';
import { toJaegerTrace } from './stored-trace.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const spans: readonly SpanRecord[] = [
  {
    traceId,
    spanId: 'b7ad6b7169203331',
    name: 'POST /v1/jobs',
    kind: 'server',
    startMs: 1_700_000_000_000.125,
    endMs: 1_700_000_000_012.5,
    attributes: { 'http.response.status_code': 202, ok: true },
    links: [],
    status: 'unset',
    service: 'sconce-api',
  },
  {
    traceId,
    spanId: 'c7ad6b7169203331',
    parentSpanId: 'b7ad6b7169203331',
    name: 'sconce.batch',
    kind: 'internal',
    startMs: 1_700_000_000_001,
    endMs: 1_700_000_000_002,
    attributes: {},
    links: [{ traceId: '1af7651916cd43dd8448eb211c80319c', spanId: 'd7ad6b7169203331', attributes: {} }],
    status: 'error',
    statusMessage: 'no such thing',
    service: 'sconce-worker',
  },
];

it('reads the Jaeger JSON that it writes', () => {
  const text = JSON.stringify(toJaegerTrace(traceId, spans));
  expect(readStoredTrace(JSON.parse(text))).toEqual(spans);
});

it('reads Jaeger’s own JSON: other tags, null for empty lists', () => {
  const body = {
    data: [
      {
        traceID: traceId,
        spans: [
          {
            traceID: traceId,
            spanID: 'b7ad6b7169203331',
            flags: 1,
            operationName: 'op',
            references: [],
            startTime: 1_700_000_000_000_125,
            duration: 12_375,
            tags: [
              { key: 'span.kind', type: 'string', value: 'consumer' },
              { key: 'error', type: 'bool', value: true },
              { key: 'otel.scope.name', type: 'string', value: 'sconce' },
            ],
            logs: [],
            processID: 'p1',
            warnings: null,
          },
        ],
        processes: { p1: { serviceName: 'sconce-worker', tags: [] } },
        warnings: null,
      },
    ],
    total: 0,
    limit: 0,
    offset: 0,
    errors: null,
  };
  expect(readStoredTrace(body)).toEqual([
    expect.objectContaining({
      kind: 'consumer',
      status: 'error',
      service: 'sconce-worker',
      endMs: 1_700_000_000_012.5,
    }),
  ]);
  expect(readStoredTrace({ data: [] })).toEqual([]);
});

it('reads Tempo’s JSON: ids in base64, names instead of numbers', () => {
  const base64 = (hex: string): string => Buffer.from(hex, 'hex').toString('base64');
  const body = {
    batches: [
      {
        resource: { attributes: [{ key: 'service.name', value: { stringValue: 'sconce-api' } }] },
        scopeSpans: [
          {
            scope: { name: 'sconce' },
            spans: [
              {
                traceId: base64(traceId),
                spanId: base64('c7ad6b7169203331'),
                parentSpanId: base64('b7ad6b7169203331'),
                name: 'sconce.enqueue',
                kind: 'SPAN_KIND_PRODUCER',
                startTimeUnixNano: '1700000000000125000',
                endTimeUnixNano: '1700000000012500000',
                attributes: [{ key: 'n', value: { intValue: '3' } }],
                status: { code: 'STATUS_CODE_ERROR', message: 'late' },
              },
            ],
          },
        ],
      },
    ],
  };
  const [read] = readStoredTrace(body);
  expect(read).toMatchObject({ traceId, spanId: 'c7ad6b7169203331', parentSpanId: 'b7ad6b7169203331' });
  expect(read).toMatchObject({ kind: 'producer', status: 'error', statusMessage: 'late', attributes: { n: 3 } });
  expect(readStoredTrace({ trace: { resourceSpans: body.batches } })).toEqual([read]);
});

it.each([[null], [{}], ['text'], [{ data: 'x' }]])('refuses %j', (body) => {
  expect(() => readStoredTrace(body)).toThrow(/neither Jaeger’s JSON nor OTLP in JSON/);
});
