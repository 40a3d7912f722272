import { isIP, Socket, connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { AbstractConnector, Redis } from 'ioredis';
import { SconceError, toSconceError } from '@sconce/errors';
import { withTimeout } from '@sconce/process/time';
import { hostText, type HostAndPort, type SentinelUrl } from './sentinel-url.ts';

/** Longest time that one Sentinel may take to answer. */
const ANSWER_TIMEOUT_MS = 1_000;
/** So long a Sentinel's message about a new primary counts more than what others still say. */
const SWITCH_HOLDS_MS = 10_000;
const MAX_RETRY_MS = 1_000;

const SWITCHED = '+switch-master';

/**
 * Finds the primary of a Redis with Sentinels, and says when another server has become the primary. It keeps one connection to each
 * Sentinel, which listens, and asks over short ones.
 *
 * A primary that was only paused or cut off goes on as if nothing had happened, and what is written to it then is lost. So whoever is
 * connected must leave it as soon as any Sentinel reports a new one.
 *
 * States: *listening* (constructor; it does not wait for a Sentinel) → *closed* (`close`).
 */
export class PrimaryFinder {
  readonly #url: SentinelUrl;
  readonly #listening: readonly Redis[];
  readonly #listeners = new Set<() => void>();
  #switched: { readonly to: HostAndPort; readonly atMs: number } | undefined;

  /** @param onError is called with errors of the connections to Sentinels; they repeat while one is away. */
  constructor(url: SentinelUrl, onError: (error: Error) => void) {
    this.#url = url;
    this.#listening = url.sentinels.map((sentinel) => {
      const redis = this.#connect(sentinel, (attempt) => Math.min(25 * 2 ** Math.min(attempt, 6), MAX_RETRY_MS));
      redis.on('error', (error: Error) => onError(new Error(`Sentinel ${hostText(sentinel)}: ${error.message}`)));
      redis.on('message', (_channel, message: string) => this.#onSwitch(message));
      redis.subscribe(SWITCHED).catch(() => undefined);
      return redis;
    });
  }

  /** Calls `listener` each time another server has become the primary. Returns the way to end that. */
  onSwitch(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * The address that most Sentinels give, or that one of them has just reported as new.
   * @throws SconceError `redis_unavailable` when none answers with an address.
   */
  async find(): Promise<HostAndPort> {
    const switched = this.#switched;
    if (switched !== undefined && performance.now() - switched.atMs < SWITCH_HOLDS_MS) return switched.to;
    const { sentinels, primaryName } = this.#url;
    const votes = new Map<string, { readonly at: HostAndPort; count: number }>();
    const failures: string[] = [];
    return new Promise<HostAndPort>((resolve, reject) => {
      let left = sentinels.length;
      const best = (): HostAndPort | undefined => [...votes.values()].toSorted((a, b) => b.count - a.count)[0]?.at;
      const onVote = (at: HostAndPort): void => {
        const vote = votes.get(hostText(at)) ?? { at, count: 0 };
        votes.set(hostText(at), vote);
        vote.count += 1;
        if (vote.count > sentinels.length / 2) resolve(at);
      };
      for (const sentinel of sentinels) {
        void this.#ask(sentinel)
          .then(onVote, (error: unknown) => failures.push(`${hostText(sentinel)}: ${toSconceError(error).message}`))
          .finally(() => {
            left -= 1;
            if (left > 0) return;
            const at = best();
            if (at !== undefined) resolve(at);
            else reject(unavailable(`no Sentinel names the primary "${primaryName}" (${failures.join('; ')})`));
          });
      }
    });
  }

  /** Ends the connections to the Sentinels. */
  close(): void {
    this.#listeners.clear();
    for (const redis of this.#listening) redis.disconnect();
  }

  async #ask(sentinel: HostAndPort): Promise<HostAndPort> {
    const redis = this.#connect(sentinel, () => null);
    // The command fails with the same error.
    redis.on('error', () => undefined);
    try {
      const asked = redis.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', this.#url.primaryName);
      asked.catch(() => undefined);
      const answer = await withTimeout(asked, ANSWER_TIMEOUT_MS);
      if (answer === undefined) throw unavailable(`no answer within ${ANSWER_TIMEOUT_MS} ms`);
      const [host, port] = Array.isArray(answer) ? (answer as unknown[]) : [];
      if (host === undefined || port === undefined) throw unavailable('it does not know this name');
      return { host: String(host), port: Number(port) };
    } finally {
      redis.disconnect();
    }
  }

  #connect({ host, port }: HostAndPort, retryStrategy: (attempt: number) => number | null): Redis {
    const { sentinelUsername, sentinelPassword, sentinelTls } = this.#url;
    return new Redis({
      host,
      port,
      ...(sentinelUsername === '' ? {} : { username: sentinelUsername }),
      ...(sentinelPassword === '' ? {} : { password: sentinelPassword }),
      ...(sentinelTls ? { tls: serverNameOf(host) } : {}),
      // A Sentinel lacks the commands that ioredis checks a server with.
      enableReadyCheck: false,
      connectTimeout: ANSWER_TIMEOUT_MS,
      disconnectTimeout: 100,
      maxRetriesPerRequest: null,
      retryStrategy,
    });
  }

  /** @param message `name old-host old-port new-host new-port`. */
  #onSwitch(message: string): void {
    const [name, , , host, port] = message.split(' ');
    if (name !== this.#url.primaryName || host === undefined || port === undefined) return;
    const to = { host, port: Number(port) };
    const known = this.#switched;
    this.#switched = { to, atMs: performance.now() };
    // Each Sentinel reports the same switch.
    if (known?.to.host === to.host && known.to.port === to.port && performance.now() - known.atMs < SWITCH_HOLDS_MS) {
      return;
    }
    for (const listener of this.#listeners) listener();
  }
}

/** A finder that several connections of this process share. */
export interface SharedFinder {
  readonly finder: PrimaryFinder;
  /** Gives it back; the last one ends its connections. Further calls do nothing. */
  readonly release: () => void;
}

const shared = new Map<string, { readonly finder: PrimaryFinder; users: number }>();

/** The finder of this process for a URL. The first user's `onError` gets its errors. */
export function sharePrimaryFinder(url: SentinelUrl, onError: (error: Error) => void): SharedFinder {
  const key = JSON.stringify(url);
  const entry = shared.get(key) ?? { finder: new PrimaryFinder(url, onError), users: 0 };
  shared.set(key, entry);
  entry.users += 1;
  let released = false;
  return {
    finder: entry.finder,
    release: () => {
      if (released) return;
      released = true;
      entry.users -= 1;
      if (entry.users > 0) return;
      shared.delete(key);
      entry.finder.close();
    },
  };
}

/** Makes an ioredis client connect to the primary that a finder names, and leave it when another server becomes the primary. */
export function primaryConnector(finder: PrimaryFinder, { isSecure }: SentinelUrl): new () => AbstractConnector {
  return class extends AbstractConnector {
    #forget: () => void = () => undefined;

    constructor() {
      super(500);
    }

    async connect(): Promise<Socket> {
      this.connecting = true;
      this.#forget();
      const stream = await finder.find().then(
        (at) => openSocket(at, isSecure),
        (error: Error) => {
          // The client takes the error from here when the socket is closed already, and tries again as after any other failure.
          this.firstError = error;
          return new Socket().destroy();
        },
      );
      if (!this.connecting) {
        stream.destroy();
        throw unavailable('the connection was closed');
      }
      this.#forget = finder.onSwitch(() => stream.destroy());
      stream.once('close', this.#forget);
      this.stream = stream;
      return stream;
    }

    /** The server says what it is: a primary that was replaced while it was away does not know it yet, but one that knows it is refused. */
    override check({ role }: { readonly role?: string }): boolean {
      return role === undefined || role === 'master';
    }

    override disconnect(): void {
      this.#forget();
      super.disconnect();
    }
  };
}

/** TLS options for a server name. A name is sent; an address cannot be. */
export function serverNameOf(host: string): { readonly servername?: string } {
  return isIP(host) === 0 ? { servername: host } : {};
}

function openSocket(at: HostAndPort, isSecure: boolean): Socket {
  return isSecure ? connectTls({ ...at, ...serverNameOf(at.host) }) : connectTcp(at);
}

function unavailable(why: string): SconceError {
  return new SconceError('redis_unavailable', `Redis cannot be used: ${why}. Try again shortly.`);
}
