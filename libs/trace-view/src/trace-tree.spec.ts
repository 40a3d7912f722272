import { describe, expect, it } from 'vitest';
import { renderTraceTree, type SpanRecord } from './index.ts';

const span = (
  spanId: string,
  parentSpanId: string | undefined,
  startMs: number,
  more: Partial<SpanRecord> = {},
): SpanRecord => ({
  traceId: 't1',
  spanId,
  parentSpanId,
  name: spanId,
  kind: 'internal',
  startMs,
  endMs: startMs + 1,
  attributes: {},
  links: [],
  status: 'unset',
  service: 'worker',
  ...more,
});

describe('renderTraceTree', () => {
  it('draws one tree per trace, children by start, and spans without a parent as roots', () => {
    const tree = renderTraceTree([
      span('run', 'job', 110.25, {
        attributes: { 'sconce.rows': 8, note: `${'long '.repeat(20)}\n`, list: [1, 2], d: true, fifth: 'not shown' },
        links: [{ traceId: 't9', spanId: 's9', attributes: {} }],
        status: 'error',
        statusMessage: 'out of\nmemory',
      }),
      span('POST infer', undefined, 100, { service: 'api', endMs: 120.5 }),
      span('reply', 'POST infer', 119),
      span('job', 'POST infer', 105, { endMs: 118 }),
      span('orphan', 'never seen', 130),
      span('other', undefined, 7, { traceId: 't2', service: '' }),
    ]);
    expect(tree).toMatchInlineSnapshot(`
      "trace t1  5 spans, 31.00 ms
      ├─ POST infer  api  +0.00 ms  20.50 ms
      │  ├─ job  worker  +5.00 ms  13.00 ms
      │  │  ├─ run  worker  +10.25 ms  1.00 ms  sconce.rows=8 note=long long long long long long long long… list=[1,2] d=true  1 link  ERROR out of memory
      │  │  └─ (uncovered)  12.00 ms
      │  ├─ reply  worker  +19.00 ms  1.00 ms
      │  └─ (uncovered)  6.50 ms
      └─ orphan  worker  +30.00 ms  1.00 ms

      trace t2  1 span, 1.00 ms
      └─ other  +0.00 ms  1.00 ms
      "
    `);
  });

  it('draws spans that are each other’s parents, and removes terminal escapes', () => {
    const tree = renderTraceTree([
      span('a', 'b', 1),
      span('b', 'a', 2),
      span('self', 'self', 3, { name: '\u001b[2Jx' }),
    ]);
    expect(tree).toMatchInlineSnapshot(`
      "trace t1  3 spans, 3.00 ms
      └─ a  worker  +0.00 ms  1.00 ms
         ├─ b  worker  +1.00 ms  1.00 ms
         │  └─ (uncovered)  1.00 ms
         └─ (uncovered)  1.00 ms
      └─  [2Jx  worker  +2.00 ms  1.00 ms
      "
    `);
  });

  it('draws a chain longer than the call stack, and an empty text for no spans', () => {
    const chain = Array.from({ length: 5_000 }, (_, index) =>
      span(`s${index}`, index === 0 ? undefined : `s${index - 1}`, index),
    );
    const lines = renderTraceTree(chain).split('\n');
    expect(lines.filter((line) => !line.includes('(uncovered)'))).toHaveLength(5_002);
    expect(renderTraceTree([])).toBe('');
  });
});
