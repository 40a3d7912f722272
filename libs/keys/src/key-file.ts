import { createHash, randomBytes } from 'node:crypto';
import { SconceError } from '@sconce/errors';
import * as z from 'zod';

/**
 * What a key may do. `infer`: requests and jobs. `batch`: files and batches. `models`: push, load, unload and remove models. `admin`:
 * everything. Any key may read what there is.
 */
export const SCOPES = ['infer', 'batch', 'models', 'admin'] as const;

export type Scope = (typeof SCOPES)[number];

const apiKeySchema = z.strictObject({
  /** Names the key in logs; no secret. */
  id: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/),
  /** SHA-256 of the secret, hexadecimal. Secrets are random and long: nothing slower is needed to keep them from being guessed. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  scopes: z.array(z.enum(SCOPES)).min(1),
  /** Of each API process; more are refused until there is room again. */
  requests_per_second: z.number().positive().optional(),
  /** Requests that may come at once after a pause; default: those of two seconds. */
  burst: z.int().min(1).optional(),
  /** Requests under way at once, at each API process. */
  max_outstanding: z.int().min(1).optional(),
  /** Jobs and batches that have not ended, over all API processes. */
  max_backlog: z.int().min(1).optional(),
  expires_at: z.iso.datetime({ offset: true }).optional(),
});

/** A key as the file of keys has it. */
export type ApiKey = Readonly<z.infer<typeof apiKeySchema>>;

const keyFileSchema = z.strictObject({ keys: z.array(apiKeySchema).max(100_000) });

const SECRET_BYTES = 32;
const SECRET_PREFIX = 'sconce-';

/** A new secret. Nobody keeps it but who it is for. */
export function newSecret(): string {
  return SECRET_PREFIX + randomBytes(SECRET_BYTES).toString('base64url');
}

/** What the file of keys has of a secret. */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** Reads the text of a file of keys. @throws SconceError `invalid_request`: what in it is wrong, and where. */
export function parseKeyFile(text: string): readonly ApiKey[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw wrong('it is no JSON', cause);
  }
  const parsed = keyFileSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw wrong(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
  }
  const { keys } = parsed.data;
  for (const part of ['id', 'sha256'] as const) {
    const seen = new Set<string>();
    for (const key of keys) {
      if (seen.has(key[part])) throw wrong(`two keys have the ${part} ${key[part]}`);
      seen.add(key[part]);
    }
  }
  return keys;
}

function wrong(why: string, cause?: unknown): SconceError {
  return new SconceError('invalid_request', `The file of API keys cannot be used: ${why}.`, { cause });
}
