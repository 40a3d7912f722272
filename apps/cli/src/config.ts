import { readSettings } from '@sconce/process';

/** The settings that the CLI reads from the environment. */
export interface CliConfig {
  /** Address of the server. */
  readonly url: string;
  /** Sent with every request. */
  readonly apiKey: string | undefined;
  /** Address of the trace backend, without a slash at the end. If set, it replaces the address that the server gives. */
  readonly traceUrl: string | undefined;
  /** PATH: where executables are searched. */
  readonly path: string | undefined;
  /** The whole environment, for the processes of the local stack: they read their own settings (`SCONCE_THREADS`, `OTEL_…`). */
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
