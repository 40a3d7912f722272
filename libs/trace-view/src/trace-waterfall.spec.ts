import { describe, expect, it } from 'vitest';
import { renderWaterfall, type SpanRecord } from './index.ts';

const span = (spanId: string, parentSpanId: string | undefined, [startMs, endMs]: [number, number]): SpanRecord => ({
  traceId: 't1',
  spanId,
  parentSpanId,
  name: spanId,
  kind: 'internal',
  startMs,
  endMs,
  attributes: { 'sconce.rows': 8 },
  links: [],
  status: 'unset',
  service: 'worker',
});

const TRACE = [
  span('POST', undefined, [100, 180]),
  span('queue', 'POST', [110, 120]),
  { ...span('run', 'POST', [120, 180]), status: 'error' as const, statusMessage: 'out of memory' },
  span('reply', 'POST', [179.99, 180]),
];

describe('renderWaterfall', () => {
  it('draws the time of each span within the width', () => {
    const text = renderWaterfall(TRACE, { width: 58 });
    expect(text).toMatchInlineSnapshot(`
      "trace t1  4 spans, 80.00 ms, 10.00 ms uncovered
      └─ POST            worker  80.00 ms  |███████████████████|
         ├─ queue        worker  10.00 ms  |  ███              |
         ├─ run          worker  60.00 ms  |    ███████████████|  ERROR out of memory
         ├─ reply        worker   0.01 ms  |                  █|
         └─ (uncovered)  worker  10.00 ms  |░░                 |
      "
    `);
  });

  it('draws attributes on request, and the first spans of a large trace', () => {
    expect(renderWaterfall(TRACE, { attributes: true })).toContain('|  sconce.rows=8\n');
    const many = Array.from({ length: 700 }, (_, n) => span(`s${n}`, undefined, [n, n + 1]));
    const lines = renderWaterfall(many).split('\n');
    expect(lines).toHaveLength(503);
    expect(lines.at(-2)).toBe('… and 200 more spans');
  });

  it('draws spans without a duration, and an empty text for no spans', () => {
    expect(renderWaterfall([span('instant', undefined, [5, 5])], { width: 20 })).toContain('|█         |');
    expect(renderWaterfall([])).toBe('');
  });
});
