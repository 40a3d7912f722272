import type { Program, Setting } from './setting.ts';
import { SETTINGS } from './settings.ts';

const TITLES: Readonly<Record<Program, string>> = { api: 'API', worker: 'worker', cli: '`sconce`' };

/** The reference of all settings, as Markdown. */
export function settingsPage(): string {
  const rows = Object.entries(SETTINGS as Readonly<Record<string, Setting>>).map(
    ([name, { about, programs, expected, fallback, secret }]) =>
      `| \`${name}\`${secret === true ? ' (secret)' : ''} | ${programs.map((own) => TITLES[own]).join(', ')} | ${about} | ${expected} | ${fallback ?? 'not set'} |`,
  );
  return `# Configuration

Generated from \`libs/process/src/settings\`; \`npm run docs\` writes it anew.

Everything is set by environment variables. They are read once, at the start; a name that begins with \`SCONCE_\` and is none of these, or
a value that is not allowed, stops the start with its name and what is allowed. Empty counts as not set. A secret may also be given as a file:
\`SCONCE_REDIS_URL_FILE=/run/secrets/redis-url\`. The standard variables of OpenTelemetry (\`OTEL_EXPORTER_OTLP_ENDPOINT\`,
\`OTEL_TRACES_SAMPLER\`, \`OTEL_SERVICE_NAME\`, …) and of the AWS SDK hold too.

| variable | read by | what it does | values | default |
| --- | --- | --- | --- | --- |
${rows.join('\n')}
`;
}
