import { expect, it } from 'vitest';
import { mergeExpositions } from './merge-expositions.ts';

const first = `# HELP up_total Starts
# TYPE up_total counter
up_total 1
# HELP took_seconds Time
# TYPE took_seconds histogram
took_seconds_bucket{route="/a b",le="1"} 2 # {trace_id="t"} 0.5 1.000
took_seconds_count{route="/a b"} 2
`;
const second = `# HELP took_seconds Time
# TYPE took_seconds histogram
took_seconds_bucket{le="1"} 3
took_seconds_count 3
# HELP other A gauge of one process only
# TYPE other gauge
other -1
`;

it('describes each metric once, and gives each sample its process', () => {
  const merged = mergeExpositions([
    { process: '1', text: first },
    { process: '2', text: second },
  ]);
  expect(merged).toBe(`# HELP up_total Starts
# TYPE up_total counter
up_total{process="1"} 1
# HELP took_seconds Time
# TYPE took_seconds histogram
took_seconds_bucket{process="1",route="/a b",le="1"} 2 # {trace_id="t"} 0.5 1.000
took_seconds_count{process="1",route="/a b"} 2
took_seconds_bucket{process="2",le="1"} 3
took_seconds_count{process="2"} 3
# HELP other A gauge of one process only
# TYPE other gauge
other{process="2"} -1
`);
});

it('ends OpenMetrics once, and has nothing without processes', () => {
  const text = '# HELP a A\n# TYPE a gauge\na 1\n# EOF\n';
  const merged = mergeExpositions([
    { process: '1', text },
    { process: '2', text },
  ]);
  expect(merged).toBe('# HELP a A\n# TYPE a gauge\na{process="1"} 1\na{process="2"} 1\n# EOF\n');
  expect(mergeExpositions([])).toBe('\n');
});
