import { expect, it } from 'vitest';
import { histogram } from './metric-definition.ts';
import { Histogram } from './histogram.ts';

const definition = histogram('h_seconds', { description: 'd', unit: 's', buckets: [1, 2] }, ['a', 'b']);

it('counts a value in the first bucket whose bound it does not exceed, for each label set', () => {
  const own = new Histogram(definition);
  for (const value of [0.5, 1, 1.5, 2, 3]) own.record(value, { a: 'x', b: 'y' });
  own.record(7, { a: 'xy', b: '' });
  expect([...own.series]).toEqual([
    { labels: { a: 'x', b: 'y' }, counts: [2, 2, 1], count: 5, sum: 8, exemplars: [] },
    { labels: { a: 'xy', b: '' }, counts: [0, 0, 1], count: 1, sum: 7, exemplars: [] },
  ]);
});

it('takes a bounded number of label sets and loses no observation', () => {
  const own = new Histogram(definition);
  for (let n = 0; n < 3_000; n++) own.record(1, { a: String(n), b: '' });
  const series = [...own.series];
  expect(series).toHaveLength(2_001);
  expect(series.at(-1)).toMatchObject({ labels: {}, count: 1_000 });
});
