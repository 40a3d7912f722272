import { describe, expect, it } from 'vitest';
import type { SpanRecord } from './span-record.ts';
import { renderWaterfall } from './trace-waterfall.ts';
import { lengthOf, uncoveredTime } from './uncovered-time.ts';

type Place = readonly [name: string, parent: string | undefined, startMs: number, endMs: number];

function spansOf(places: readonly Place[]): SpanRecord[] {
  return places.map(([name, parentSpanId, startMs, endMs]) => ({
    traceId: 'a'.repeat(32),
    spanId: name,
    ...(parentSpanId === undefined ? {} : { parentSpanId }),
    name,
    kind: 'internal',
    startMs,
    endMs,
    attributes: {},
    links: [],
    status: 'unset',
    service: '',
  }));
}

const cases: readonly [string, readonly Place[], number, Record<string, number>][] = [
  ['nothing of a span without children', [['root', undefined, 0, 10]], 0, {}],
  [
    'the time of a span that its children leave open',
    [
      ['root', undefined, 0, 100],
      ['a', 'root', 10, 40],
      ['b', 'root', 30, 90],
    ],
    20,
    { root: 20 },
  ],
  [
    'the time inside a child as the child’s, not its parent’s',
    [
      ['root', undefined, 0, 100],
      ['child', 'root', 0, 100],
      ['leaf', 'child', 20, 100],
    ],
    20,
    { child: 20 },
  ],
  [
    'no time that work elsewhere in the trace explains',
    [
      ['root', undefined, 0, 50],
      ['send', 'root', 0, 10],
      ['queue', 'send', 10, 80],
      ['run', 'send', 80, 100],
    ],
    10,
    { send: 10 },
  ],
  [
    'time between spans, in no span',
    [
      ['root', undefined, 0, 10],
      ['a', 'root', 0, 10],
      ['later', 'root', 60, 70],
    ],
    50,
    {},
  ],
  [
    'no rounding of stored times',
    [
      ['root', undefined, 0, 10.001],
      ['a', 'root', 0.001, 10],
    ],
    0,
    {},
  ],
];

describe('uncoveredTime', () => {
  it.each(cases)('counts %s', (_, places, total, bySpan) => {
    const found = uncoveredTime(spansOf(places));
    expect(lengthOf(found.ranges)).toBeCloseTo(total, 6);
    expect(Object.fromEntries([...found.bySpan].map(([span, ranges]) => [span.name, lengthOf(ranges)]))).toEqual(
      bySpan,
    );
  });

  it('is drawn below the span that it belongs to, and added up', () => {
    const spans = spansOf([
      ['root', undefined, 0, 100],
      ['a', 'root', 0, 40],
      ['b', 'a', 10, 30],
      ['c', 'root', 60, 90],
    ]);
    expect(renderWaterfall(spans, { width: 60 })).toMatchInlineSnapshot(`
      "trace aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa  4 spans, 100.00 ms, 50.00 ms uncovered
      └─ root                 100.00 ms  |███████████████████████|
         ├─ a                  40.00 ms  |█████████              |
         │  ├─ b               20.00 ms  |  █████                |
         │  └─ (uncovered)     20.00 ms  |░░    ░░░              |
         ├─ c                  30.00 ms  |             ████████  |
         └─ (uncovered)        30.00 ms  |         ░░░░░      ░░░|
      "
    `);
  });
});
