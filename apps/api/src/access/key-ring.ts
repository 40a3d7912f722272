import { readFile } from 'node:fs/promises';
import { hashSecret, parseKeyFile, type ApiKey } from '@sconce/keys';
import type { Logger } from '@sconce/telemetry';

/** How often the file is read. A file watcher does not see that a mounted secret was replaced, because links are renamed. */
const LOOK_MS = 2_000;
/** Secrets whose keys are remembered. */
const MAX_SECRETS = 10_000;

/**
 * The valid keys: the keys of a file, which is read again when its text changes. A text that is not valid changes nothing.
 *
 * States: *open* (reads the file from time to time) → *closed*.
 */
export class KeyRing {
  readonly #path: string;
  readonly #logger: Logger;
  readonly #timer: NodeJS.Timeout;
  #text: string;
  #byHash: ReadonlyMap<string, ApiKey>;
  /** The keys of secrets that came: hashing the secret of every request takes some 4 µs (measured). */
  readonly #bySecret = new Map<string, ApiKey>();

  private constructor(path: string, text: string, logger: Logger) {
    this.#path = path;
    this.#logger = logger;
    this.#text = text;
    this.#byHash = indexed(parseKeyFile(text));
    this.#timer = setInterval(() => void this.#look(), LOOK_MS).unref();
  }

  /** @throws SconceError `invalid_request` if the file is not valid; the system's error if it cannot be read. */
  static async open(path: string, logger: Logger): Promise<KeyRing> {
    return new KeyRing(path, await readFile(path, 'utf8'), logger);
  }

  /** The key that a secret belongs to, unless it has expired. */
  find(secret: string): ApiKey | undefined {
    const key = this.#bySecret.get(secret) ?? this.#findByHash(secret);
    if (key?.expires_at !== undefined && Date.parse(key.expires_at) <= Date.now()) return undefined;
    return key;
  }

  #findByHash(secret: string): ApiKey | undefined {
    const key = this.#byHash.get(hashSecret(secret));
    if (key === undefined) return undefined;
    if (this.#bySecret.size >= MAX_SECRETS) this.#bySecret.clear();
    this.#bySecret.set(secret, key);
    return key;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    try {
      const text = await readFile(this.#path, 'utf8');
      if (text === this.#text) return;
      this.#text = text;
      this.#byHash = indexed(parseKeyFile(text));
      this.#bySecret.clear();
      this.#logger.info({ audit: true, act: 'keys changed', keys: this.#byHash.size }, 'audit');
    } catch (error) {
      this.#logger.error({ err: error }, 'the file of API keys cannot be used: those read before stay in force');
    }
  }
}

function indexed(keys: readonly ApiKey[]): ReadonlyMap<string, ApiKey> {
  return new Map(keys.map((key) => [key.sha256, key]));
}
