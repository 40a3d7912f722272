import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  freeLoopbackPort,
  startRedisServer,
  type RedisServer,
  type StartRedisServerOptions,
} from '@sconce/redis-server';
import { eventually } from './eventually.ts';

/** A primary, a replica and three Sentinels on loopback. */
export interface RedisWithSentinels {
  /** `redis+sentinel://…`, or `rediss+sentinel://…` with TLS, with user and passwords. */
  readonly url: string;
  /** The primary at first, then the replica. */
  readonly servers: readonly [RedisServer, RedisServer];
  readonly sentinels: readonly RedisServer[];
  /** Ends them all, paused ones too. */
  stop(): Promise<void>;
}

export interface RedisWithSentinelsOptions {
  /** PEM files. With them everything talks TLS, to `localhost`. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca: string };
  /** A user of the servers and of the Sentinels, with all rights. */
  readonly login?: { readonly username: string; readonly password: string };
}

const NAME = 'main';
const SENTINELS = 3;
/** Sentinels take a primary for dead after this time. */
const DOWN_AFTER_MS = 700;

/** Starts them, and waits until the Sentinels know each other and the replica. */
export async function startRedisWithSentinels(options: RedisWithSentinelsOptions = {}): Promise<RedisWithSentinels> {
  const { tls, login } = options;
  const host = tls === undefined ? '127.0.0.1' : 'localhost';
  const folder = await mkdtemp(join(tmpdir(), 'sconce-sentinels-'));
  const user: Record<string, string> =
    login === undefined ? {} : { user: `${login.username} on >${login.password} ~* &* +@all` };

  const serve = async (settings: Record<string, string>): Promise<Served> => {
    const own = { ...user, ...settings, ...(await tlsSettings(tls)) };
    return served({ appendOnly: true, settings: own }, own['tls-port']);
  };
  const primary = await serve({ 'replica-announce-ip': host, 'repl-diskless-sync-delay': '0' });
  const replica = await serve({ 'replica-announce-ip': host, replicaof: `${host} ${primary.port}` });

  const watch = async (index: number): Promise<Served> => {
    const file = join(folder, `sentinel-${index}.conf`);
    const lines = [
      'sentinel resolve-hostnames yes',
      'sentinel announce-hostnames yes',
      `sentinel monitor ${NAME} ${host} ${primary.port} ${Math.ceil((SENTINELS + 1) / 2)}`,
      `sentinel down-after-milliseconds ${NAME} ${DOWN_AFTER_MS}`,
      `sentinel failover-timeout ${NAME} 6000`,
    ];
    await writeFile(file, `${lines.join('\n')}\n`);
    const own = { ...user, ...(await tlsSettings(tls)) };
    return served({ sentinelFile: file, settings: own }, own['tls-port']);
  };
  const sentinels = await Promise.all(Array.from({ length: SENTINELS }, (_, index) => watch(index)));
  await eventually(
    async () => {
      for (const { server } of sentinels) {
        const state = await askInline(server.port, `SENTINEL MASTER ${NAME}`);
        if (!/num-slaves\r\n\$1\r\n1/.test(state)) throw new Error('a Sentinel does not know the replica');
        if (!/num-other-sentinels\r\n\$1\r\n2/.test(state)) throw new Error('a Sentinel does not know the others');
      }
      if (!(await askInline(replica.server.port, 'INFO replication')).includes('master_link_status:up')) {
        throw new Error('the replica is not connected');
      }
    },
    { timeoutMs: 30_000 },
  );

  const secret = login === undefined ? '' : encodeURIComponent(login.password);
  const before = login === undefined ? '' : `${login.username}:${secret}@`;
  const after = login === undefined ? '' : `?sentinel_username=${login.username}&sentinel_password=${secret}`;
  const hosts = sentinels.map(({ port }) => `${host}:${port}`).join(',');
  return {
    url: `${tls === undefined ? 'redis' : 'rediss'}+sentinel://${before}${hosts}/${NAME}/0${after}`,
    servers: [primary.server, replica.server],
    sentinels: sentinels.map(({ server }) => server),
    stop: async () => {
      const all = [primary, replica, ...sentinels].map(({ server }) => server);
      for (const server of all) server.kill('SIGCONT');
      await Promise.all(all.map((server) => server.stop()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

interface Served {
  readonly server: RedisServer;
  /** The port for clients: with TLS another one than the server's own. */
  readonly port: number;
}

async function served(options: StartRedisServerOptions, tlsPort: string | undefined): Promise<Served> {
  const server = await startRedisServer(options);
  return { server, port: Number(tlsPort ?? server.port) };
}

async function tlsSettings(tls: RedisWithSentinelsOptions['tls']): Promise<Record<string, string>> {
  if (tls === undefined) return {};
  return {
    'tls-port': String(await freeLoopbackPort()),
    'tls-cert-file': tls.cert,
    'tls-key-file': tls.key,
    'tls-ca-cert-file': tls.ca,
    'tls-auth-clients': 'no',
    'tls-replication': 'yes',
  };
}

/** The start of the reply to an inline command. */
function askInline(port: number, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port });
    let text = '';
    const timer = setTimeout(() => {
      socket.destroy();
      resolve(text);
    }, 100);
    socket.setEncoding('latin1');
    socket.on('connect', () => socket.write(`${command}\r\n`));
    socket.on('data', (part: string) => (text += part));
    socket.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}
