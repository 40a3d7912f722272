import { readSettings } from '@sconce/process';

/** What the CLI takes from the environment. */
export interface CliConfig {
  readonly url: string;
  /** Sent with every request. */
  readonly apiKey: string | undefined;
  /** Where traces are looked up, rather than where the server says; without a slash at the end. */
  readonly traceUrl: string | undefined;
  /** Where executables are looked for. */
  readonly path: string | undefined;
  /** What the local stack's processes inherit: theirs to read (`SCONCE_THREADS`, `OTEL_…`). */
  readonly inherited: Readonly<Record<string, string | undefined>>;
}

export function readConfig(env: NodeJS.ProcessEnv = process.env): CliConfig {
  const vars = readSettings('cli', env);
  return Object.freeze({
    url: vars.SCONCE_URL,
    apiKey: vars.SCONCE_API_KEY,
    traceUrl: vars.SCONCE_TRACE_URL?.replace(/\/+$/, ''),
    path: env['PATH'],
    inherited: { ...env },
  });
}
