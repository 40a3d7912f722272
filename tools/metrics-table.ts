/** Writes the table of metrics in docs/telemetry.md: `npm run docs`. */
import { readFile, writeFile } from 'node:fs/promises';
import { METRICS, type MetricDefinition } from '@sconce/telemetry';
import { format, resolveConfig } from 'prettier';

/** The address of the page with the table. */
export const PAGE = new URL('../docs/telemetry.md', import.meta.url);

const BEGIN = '<!-- metrics: generated, `npm run docs` writes them anew -->';
const END = '<!-- /metrics -->';
const KINDS: Readonly<Record<MetricDefinition['kind'], string>> = {
  histogram: 'histogram',
  counter: 'counter',
  'observed-counter': 'counter',
  gauge: 'gauge',
  'up-down-counter': 'gauge',
};

/** The text of the page, with the table made from the metrics. */
export async function telemetryPage(): Promise<string> {
  const page = await readFile(PAGE, 'utf8');
  const [before, rest = ''] = page.split(BEGIN);
  const after = rest.split(END)[1];
  if (before === undefined || after === undefined) throw new Error(`${PAGE.pathname} lacks "${BEGIN}" or "${END}"`);
  const text = `${before}${BEGIN}\n\n${table()}\n\n${END}${after}`;
  return format(text, { ...(await resolveConfig(PAGE)), parser: 'markdown' });
}

function table(): string {
  const rows = Object.values(METRICS as Readonly<Record<string, MetricDefinition>>).map(
    ({ name, kind, labels, description, convention }) =>
      `| \`${name}\` | ${KINDS[kind]} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${description}${convention === undefined ? '' : ` (\`${convention}\`)`} |`,
  );
  return ['| metric | kind | labels | what it is |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

if (import.meta.main) await writeFile(PAGE, await telemetryPage());
