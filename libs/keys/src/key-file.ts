import { createHash, randomBytes } from 'node:crypto';
import { BUDGET_FIELDS, SconceError } from '@sconce/errors';
import * as z from 'zod';

/**
 * The rights of a key. `infer`: requests and jobs. `batch`: files and batches. `models`: push, load, unload and remove models. `admin`:
 * everything. Every key may list and read models.
 */
export const SCOPES = ['infer', 'batch', 'models', 'admin'] as const;

export type Scope = (typeof SCOPES)[number];

const NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/;

/** A run may have requests of several keys, so a key cannot bound its time. */
export const KEY_BUDGET_FIELDS = BUDGET_FIELDS.filter((field) => field !== 'run_ms');

const apiKeySchema = z.strictObject({
  /** Names the key in logs. It is not secret. */
  id: z.string().regex(NAME),
  /** SHA-256 of the secret, hexadecimal. Secrets are random and long, so a slower hash is not needed. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  scopes: z.array(z.enum(SCOPES)).min(1),
  /** Who uses the key: requests of one owner do not delay those of another. Several keys may have one owner. Default: the key's id. */
  owner: z.string().regex(NAME).optional(),
  /** Limit in each API process. Further requests are refused for a while. */
  requests_per_second: z.number().positive().optional(),
  /** Requests that are accepted at once after a pause. Default: the requests of two seconds. */
  burst: z.int().min(1).optional(),
  /** Requests in flight at once, in each API process. */
  max_outstanding: z.int().min(1).optional(),
  /** Jobs and batches that have not ended, of all API processes together. */
  max_backlog: z.int().min(1).optional(),
  /** What each request may need. The smallest budget of instance, model and key holds. */
  budget: z.partialRecord(z.enum(KEY_BUDGET_FIELDS), z.int().min(1)).optional(),
  expires_at: z.iso.datetime({ offset: true }).optional(),
});

/** A key in the key file. */
export type ApiKey = Readonly<z.infer<typeof apiKeySchema>>;

const keyFileSchema = z.strictObject({ keys: z.array(apiKeySchema).max(100_000) });

const SECRET_BYTES = 32;
const SECRET_PREFIX = 'sconce-';

/** A new secret. It is not stored: only its owner has it. */
export function newSecret(): string {
  return SECRET_PREFIX + randomBytes(SECRET_BYTES).toString('base64url');
}

/** The hash of a secret that the key file contains. */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** Reads the text of a key file. @throws SconceError `invalid_request` that says which field is wrong. */
export function parseKeyFile(text: string): readonly ApiKey[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw invalidKeyFile('it is not JSON', cause);
  }
  const parsed = keyFileSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw invalidKeyFile(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
  }
  const { keys } = parsed.data;
  for (const part of ['id', 'sha256'] as const) {
    const seen = new Set<string>();
    for (const key of keys) {
      if (seen.has(key[part])) throw invalidKeyFile(`two keys have the ${part} ${key[part]}`);
      seen.add(key[part]);
    }
  }
  return keys;
}

function invalidKeyFile(why: string, cause?: unknown): SconceError {
  return new SconceError('invalid_request', `The file of API keys cannot be used: ${why}.`, { cause });
}
