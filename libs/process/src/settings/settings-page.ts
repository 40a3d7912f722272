import type { Program, Setting, Unit } from './setting.ts';
import { SETTINGS } from './settings.ts';

const TITLES: Readonly<Record<Program, string>> = {
  api: 'API',
  worker: 'worker',
  serve: '`sconce serve`',
  cli: '`sconce`',
};

/** Larger units of each unit, largest first. */
const LARGER_UNITS: Readonly<Record<Unit, readonly (readonly [name: string, size: number])[]>> = {
  bytes: [
    ['GiB', 1024 ** 3],
    ['MiB', 1024 ** 2],
  ],
  ms: [
    ['min', 60_000],
    ['s', 1_000],
  ],
  seconds: [
    ['days', 86_400],
    ['h', 3_600],
  ],
};

/** The reference of all settings, as Markdown. */
export function settingsPage(): string {
  const rows = Object.entries(SETTINGS as Readonly<Record<string, Setting>>).map(
    ([name, setting]) =>
      `| \`${name}\`${setting.secret === true ? ' (secret)' : ''} | ${setting.programs.map((own) => TITLES[own]).join(', ')} | ${setting.about} | ${setting.expected} | ${printedDefault(setting)} |`,
  );
  return `# Configuration

Generated from \`libs/process/src/settings\`; \`npm run docs\` writes it again.

All settings are environment variables. A program reads them once, when it starts. It does not start if a variable that begins with \`SCONCE_\`
is not in this table, or if a value is not allowed; the error names the variable and the allowed values. An empty variable counts as not set.
A secret may also be given as a file: \`SCONCE_REDIS_URL_FILE=/run/secrets/redis-url\`. The standard variables of OpenTelemetry
(\`OTEL_EXPORTER_OTLP_ENDPOINT\`, \`OTEL_TRACES_SAMPLER\`, \`OTEL_SERVICE_NAME\`, …) and of the AWS SDK work too.

| variable | read by | what it does | values | default |
| --- | --- | --- | --- | --- |
${rows.join('\n')}
`;
}

/** A setting's default as the page shows it: `8000`, `67108864 (64 MiB)`, `empty`, or the sentence of `whenUnset`. */
export function printedDefault({ default: value, whenUnset, unit }: Setting): string {
  if (value === undefined) return whenUnset ?? 'not set';
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.join(',');
  if (value === '') return 'empty';
  const larger = typeof value === 'number' && unit !== undefined ? inLargerUnit(value, unit) : undefined;
  return larger === undefined ? String(value) : `${value} (${larger})`;
}

/** `25 s` for 25 000 ms; undefined if no larger unit divides the value. */
function inLargerUnit(value: number, unit: Unit): string | undefined {
  const found = LARGER_UNITS[unit].find(([, size]) => value >= size && value % size === 0);
  if (found === undefined) return undefined;
  const [name, size] = found;
  const count = value / size;
  return `${count} ${count === 1 ? name.replace(/days$/, 'day') : name}`;
}
