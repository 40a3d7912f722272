import { z } from 'zod';

const envSchema = z.object({
  /** The server that client commands talk to. */
  SCONCE_URL: z
    .string()
    .default('')
    .transform((url) => url.trim() || 'http://127.0.0.1:8000'),
  PATH: z.string().optional(),
});

/** What the CLI takes from the environment. */
export interface CliConfig {
  readonly url: string;
  /** Where executables are looked for. */
  readonly path: string | undefined;
  /** What the local stack's processes inherit: theirs to read (`SCONCE_THREADS`, `OTEL_…`). */
  readonly inherited: Readonly<Record<string, string | undefined>>;
}

export function readConfig(env: NodeJS.ProcessEnv = process.env): CliConfig {
  const vars = envSchema.parse(env);
  return Object.freeze({ url: vars.SCONCE_URL, path: vars.PATH, inherited: { ...env } });
}
