import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { SconceError } from '@sconce/errors';
import { serverNameOf, sharePrimaryFinder, type SharedFinder } from '../redis/primary-finder.ts';
import { parseSentinelUrl, serverUrl, type SentinelUrl } from '../redis/sentinel-url.ts';
import { RespError, RespParser, type RespReply } from './resp-parser.ts';

/** One argument that is sent as several pieces of bytes, without joining them first. They must not change until the reply has come. */
export interface RespPieces {
  readonly byteLength: number;
  readonly pieces: readonly Uint8Array[];
}

/** A command: its name and arguments. */
export type RespCommand = readonly (string | number | Uint8Array | RespPieces)[];

export interface RespClientOptions {
  /** `redis://[user:password@]host[:port][/db]`, or `rediss://` for TLS; with Sentinels as `parseSentinelUrl` says. */
  readonly url: string;
  /** Name of the connection in `CLIENT LIST`. */
  readonly name: string;
  /** Called with connection errors; they repeat while Redis is away. */
  readonly onError: (error: Error) => void;
  /** Called each time the connection can take commands; `again` is true from the second time on. */
  readonly onReady?: (again: boolean) => void;
  /** A channel that this connection listens on besides its commands, from each connect on. */
  readonly subscription?: Subscription;
  /** A channel on which this connection listens too, only to be counted there. With `subscription`. */
  readonly presence?: string;
}

/** A channel, and what is called with each message that is published there. */
export interface Subscription {
  readonly channel: string;
  readonly onMessage: (message: string) => void;
}

interface Pending {
  readonly resolve: (reply: RespReply) => void;
  readonly reject: (error: Error) => void;
}

const FIRST_RETRY_MS = 25;
const MAX_RETRY_MS = 1_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** A command waits so long for a connection before it fails. */
const READY_TIMEOUT_MS = 2_000;
/** Pieces from this size on are written without a copy. */
const OWN_WRITE_BYTES = 4_096;
/** The memory that a connection reads into, again and again. */
const READ_BYTES = 64 * 1024;

/**
 * A connection to Redis that costs little per command: it writes all commands of a call at once and reads into the same memory
 * again and again. It has no scripts, no cluster and no offline queue.
 *
 * States: *connecting* (constructor) → *ready* ⇄ *connecting* (when the connection was lost; it tries again for ever) → *closed* (`close`).
 * When the connection is lost, the commands that were sent fail with `redis_unavailable`: nobody knows whether Redis ran them.
 */
export class RespClient {
  readonly #options: RespClientOptions;
  /** The server; with Sentinels the primary, once it is known. */
  #url: URL;
  readonly #sentinels: (SharedFinder & { readonly url: SentinelUrl }) | undefined;
  readonly #pending: Pending[] = [];
  /** Index of the oldest command without a reply: the list is cut now and then only. */
  #first = 0;
  #socket: Socket | undefined;
  #ready = false;
  #closed = false;
  #attempts = 0;
  #connections = 0;
  #id = 0;
  #retryTimer: NodeJS.Timeout | undefined;
  #waitingForReady: { resolve: () => void; timer: NodeJS.Timeout; reject: (error: Error) => void }[] = [];

  constructor(options: RespClientOptions) {
    this.#options = options;
    const url = parseSentinelUrl(options.url);
    this.#sentinels = url === undefined ? undefined : { url, ...sharePrimaryFinder(url, options.onError) };
    this.#url = url === undefined ? new URL(options.url) : serverUrl(url, { host: 'unknown', port: 0 });
    this.#start();
  }

  /** Whether commands can be sent now. */
  get ready(): boolean {
    return this.#ready;
  }

  /** The connection's id at the server (`CLIENT ID`), of the latest connection. */
  get id(): number {
    return this.#id;
  }

  /** Sends one command. @throws RespError that Redis answered; SconceError `redis_unavailable`. */
  async call(...command: RespCommand): Promise<RespReply> {
    if (!this.#ready) await this.#waitUntilReady();
    const [reply] = await Promise.all(this.#send([command]));
    return reply ?? null;
  }

  /**
   * Sends commands in one write. The replies come in order; an error of Redis is a reply like any other.
   *
   * @throws SconceError `redis_unavailable` when the connection is away or is lost before the last reply.
   */
  async pipeline(commands: readonly RespCommand[]): Promise<RespReply[]> {
    if (!this.#ready) await this.#waitUntilReady();
    return Promise.all(this.#send(commands).map((reply) => reply.catch(asReply)));
  }

  /** Ends the connection at once; commands without a reply fail. */
  close(): void {
    this.#closed = true;
    this.#ready = false;
    clearTimeout(this.#retryTimer);
    this.#sentinels?.release();
    this.#socket?.destroy();
    this.#failAll(unavailable('the connection was closed'));
  }

  #send(commands: readonly RespCommand[]): Promise<RespReply>[] {
    const socket = this.#socket;
    if (socket === undefined || !this.#ready) return [Promise.reject(unavailable('there is no connection'))];
    write(socket, commands);
    return commands.map(
      () =>
        new Promise<RespReply>((resolve, reject) => {
          this.#pending.push({ resolve, reject });
        }),
    );
  }

  /** Connects to the server, or to the server that Sentinels name as the primary now. */
  #start(): void {
    if (this.#sentinels === undefined) {
      this.#connect();
      return;
    }
    const { finder, url } = this.#sentinels;
    finder.find().then(
      (at) => {
        if (this.#closed) return;
        this.#url = serverUrl(url, at);
        const socket = this.#connect();
        const forget = finder.onSwitch(() => socket.destroy());
        socket.once('close', forget);
      },
      (error: Error) => {
        this.#options.onError(error);
        this.#onClose();
      },
    );
  }

  #connect(): Socket {
    const { protocol, hostname, port } = this.#url;
    const target = { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? 6379 : Number(port) };
    const isSecure = protocol === 'rediss:';
    const parser = new RespParser(
      (reply) => this.#onReply(reply),
      (message) => this.#onPush(message),
    );
    // Without a buffer of its own, the socket allocates 64 KB for each read: large frames then keep the garbage collector busy.
    const memory = Buffer.allocUnsafeSlow(READ_BYTES);
    const onread = {
      // A large bulk string is read straight into its own memory.
      buffer: () => parser.room ?? memory,
      callback: (bytes: number, buffer: Uint8Array) => {
        try {
          if (buffer === memory) parser.push(memory.subarray(0, bytes));
          else parser.filled(bytes);
        } catch (error) {
          socket.destroy(error as Error);
        }
        return true;
      },
    };
    const options = { ...target, onread, ...serverNameOf(target.host) };
    const socket = isSecure ? connectTls(options) : connectTcp(options);
    this.#socket = socket;
    socket.setNoDelay(true).setKeepAlive(true, 30_000);
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => {
      if (!this.#ready) socket.destroy(new Error(`no connection to Redis within ${CONNECT_TIMEOUT_MS} ms`));
    });
    socket.on('error', this.#options.onError);
    socket.once(isSecure ? 'secureConnect' : 'connect', () => void this.#greet(socket));
    socket.once('close', () => this.#onClose());
    return socket;
  }

  /** Logs in, selects the database and names the connection, before other commands. */
  async #greet(socket: Socket): Promise<void> {
    const { username, password, pathname } = this.#url;
    const commands: RespCommand[] = [];
    if (password !== '') {
      const secret = decodeURIComponent(password);
      commands.push(username === '' ? ['AUTH', secret] : ['AUTH', decodeURIComponent(username), secret]);
    }
    const { subscription, presence } = this.#options;
    // Only RESP3 allows other commands while a connection is subscribed.
    if (subscription !== undefined) commands.push(['HELLO', 3]);
    if (pathname.length > 1) commands.push(['SELECT', pathname.slice(1)]);
    commands.push(['CLIENT', 'SETNAME', this.#options.name], ['CLIENT', 'ID']);
    this.#ready = true;
    const replies = this.#send(commands);
    this.#ready = false;
    try {
      this.#id = Number((await Promise.all(replies)).at(-1));
    } catch (error) {
      this.#options.onError(error as Error);
      socket.destroy();
      return;
    }
    // The confirmation is a pushed message and no reply.
    if (subscription !== undefined)
      write(socket, [['SUBSCRIBE', subscription.channel, ...(presence === undefined ? [] : [presence])]]);
    socket.setTimeout(0);
    this.#attempts = 0;
    this.#connections += 1;
    this.#ready = true;
    for (const { resolve, timer } of this.#waitingForReady.splice(0)) {
      clearTimeout(timer);
      resolve();
    }
    this.#options.onReady?.(this.#connections > 1);
  }

  #onReply(reply: RespReply): void {
    const pending = this.#pending[this.#first];
    if (pending === undefined) throw new Error('Redis sent a reply that no command waits for');
    this.#first += 1;
    if (this.#first === this.#pending.length) {
      this.#pending.length = 0;
      this.#first = 0;
    } else if (this.#first > 1_024) {
      this.#pending.splice(0, this.#first);
      this.#first = 0;
    }
    if (!(reply instanceof RespError)) {
      pending.resolve(reply);
      return;
    }
    // A failover made this server a replica: the next connection reaches the new primary.
    if (reply.code === 'READONLY') this.#socket?.destroy();
    pending.reject(reply);
  }

  #onPush(message: RespReply): void {
    const [kind, , text] = Array.isArray(message) ? message : [];
    if (String(kind) === 'message') this.#options.subscription?.onMessage(String(text));
  }

  #onClose(): void {
    this.#ready = false;
    this.#failAll(unavailable('the connection was lost'));
    if (this.#closed) return;
    const delayMs = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(this.#attempts, 6));
    this.#attempts += 1;
    this.#retryTimer = setTimeout(() => this.#start(), delayMs);
  }

  #failAll(error: SconceError): void {
    const lost = this.#pending.slice(this.#first);
    this.#pending.length = 0;
    this.#first = 0;
    for (const { reject } of lost) reject(error);
    if (!this.#closed) return;
    for (const { reject, timer } of this.#waitingForReady.splice(0)) {
      clearTimeout(timer);
      reject(error);
    }
  }

  #waitUntilReady(): Promise<void> {
    if (this.#closed) return Promise.reject(unavailable('the connection was closed'));
    return new Promise((resolve, reject) => {
      const waiting = {
        resolve,
        reject,
        timer: setTimeout(() => {
          this.#waitingForReady.splice(this.#waitingForReady.indexOf(waiting), 1);
          reject(unavailable(`there was no connection for ${READY_TIMEOUT_MS} ms`));
        }, READY_TIMEOUT_MS),
      };
      this.#waitingForReady.push(waiting);
    });
  }
}

/** Writes commands in one system call: small pieces are joined, large ones are written as they are. */
function write(socket: Socket, commands: readonly RespCommand[]): void {
  const writer = new CommandWriter(socket);
  for (const command of commands) {
    writer.text(`*${command.length}\r\n`);
    for (const argument of command) {
      if (typeof argument !== 'object') {
        const value = String(argument);
        writer.text(`$${Buffer.byteLength(value)}\r\n${value}\r\n`);
        continue;
      }
      writer.text(`$${argument.byteLength}\r\n`);
      if ('pieces' in argument) for (const piece of argument.pieces) writer.bytes(piece);
      else writer.bytes(argument);
      writer.text('\r\n');
    }
  }
  writer.end();
}

class CommandWriter {
  readonly #socket: Socket;
  #text = '';
  #small: Uint8Array[] = [];
  #corked = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  text(text: string): void {
    this.#text += text;
  }

  bytes(piece: Uint8Array): void {
    if (piece.byteLength < OWN_WRITE_BYTES) {
      this.#flushText();
      this.#small.push(piece);
      return;
    }
    if (!this.#corked) this.#socket.cork();
    this.#corked = true;
    this.#flush();
    this.#socket.write(piece);
  }

  end(): void {
    this.#flush();
    if (this.#corked) this.#socket.uncork();
  }

  #flushText(): void {
    if (this.#text !== '') this.#small.push(Buffer.from(this.#text));
    this.#text = '';
  }

  #flush(): void {
    this.#flushText();
    const [first] = this.#small;
    if (first === undefined) return;
    this.#socket.write(this.#small.length === 1 ? first : Buffer.concat(this.#small));
    this.#small = [];
  }
}

function unavailable(why: string): SconceError {
  return new SconceError('redis_unavailable', `Redis cannot be used: ${why}. Try again shortly.`);
}

function asReply(error: unknown): RespReply {
  if (error instanceof RespError) return error;
  throw error;
}
