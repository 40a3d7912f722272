import type { CallResult, Outcome } from './outcome.ts';

const OUTCOMES = [
  'agrees',
  'refused',
  'differs',
  'fails',
  'accepts',
  'died',
  'hung',
  'ran',
  'failed',
] as const satisfies readonly Outcome[];

const COLUMNS: Readonly<Record<(typeof OUTCOMES)[number], string>> = {
  agrees: 'as PyTorch',
  refused: 'both fail',
  differs: 'other answer',
  fails: 'only ours fails',
  accepts: 'only PyTorch fails',
  died: 'process ended',
  hung: 'did not end',
  ran: 'ran, not compared',
  failed: 'failed, not compared',
};

/** A message without its numbers. */
const kindOf = (detail: string): string => detail.replaceAll(/[-\d.e+]+|NaN|Infinity/g, '#').slice(0, 60);

/** The result of a sweep as a page of Markdown. */
export function sweepPage(results: readonly CallResult[]): string {
  const byFamily = Map.groupBy(results, ({ archive }) => archive.split('/')[0] ?? '');
  const used = OUTCOMES.filter((outcome) => outcome === 'died' || results.some((result) => result.outcome === outcome));
  const row = (name: string, some: readonly CallResult[]): string =>
    `| ${[name, some.length, ...used.map((outcome) => some.filter((result) => result.outcome === outcome).length)].join(' | ')} |`;
  const table = [
    `| family | calls | ${used.map((outcome) => COLUMNS[outcome]).join(' | ')} |`,
    `| --- | ${['calls', ...used].map(() => '---').join(' | ')} |`,
    ...[...byFamily].map(([family, some]) => row(family, some)),
    row('all', results),
  ];
  const wrong = results.filter(({ outcome }) => outcome === 'differs' || outcome === 'fails' || outcome === 'accepts');
  const kinds = Map.groupBy(
    wrong,
    ({ archive, outcome, detail }) => `${archive.split('/')[0] ?? ''} ${outcome} ${kindOf(detail)}`,
  );
  const listed = [...kinds.values()].flatMap((some) => {
    const [first] = some;
    if (first === undefined) return [];
    const detail = first.detail.replaceAll('|', '/').replaceAll(/\s+/g, ' ').slice(0, 160);
    return [`| ${COLUMNS[first.outcome]} | ${some.length} | ${first.archive}, ${first.label} | ${detail} |`];
  });
  const deaths = results.flatMap(({ archive, label, outcome, detail }) =>
    outcome === 'died' || outcome === 'hung' ? [`\n- ${archive}, ${label}: ${detail}.\n`] : [],
  );
  return `# Sweep of edges

<!-- Written by \`npm run sweep -- --python PYTHON --out docs/sweep.md\`. -->

The operator cases of these families of \`test/conformance\` are called with sizes 0, 1 and many on every axis and with extreme values (NaN, infinities, the largest and
smallest numbers, indices out of range). The calls run in a process of their own, and PyTorch 2.13 answers the same calls.

${table.join('\n')}

## Processes that ended
${deaths.length === 0 ? '\nNone.\n' : deaths.join('\n')}
## Other answers

Calls of a family with one message are one line. Most calls that only PyTorch refuses have sizes that it checks and ONNX broadcasts.

| what | calls | first | message |
| --- | --- | --- | --- |
${listed.join('\n')}
`;
}
