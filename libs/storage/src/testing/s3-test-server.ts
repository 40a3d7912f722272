import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { StorageConfigInput } from '../storage.config.ts';

const BUCKET = 'sconce';
const ACCESS_KEY_ID = 'sconce-test';
const SECRET_ACCESS_KEY = 'a secret of the tests';
const START_TIMEOUT_MS = 20_000;

/** Settings that are sent to the server's process. */
export interface S3ServerSettings {
  readonly folder: string;
  /** 0 means any free port. */
  readonly port: number;
  readonly buckets: readonly string[];
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly conditionalWrites: boolean;
}

/** Options of `startS3TestServer`. */
export interface S3TestServerOptions {
  /** If false, the server ignores `If-None-Match`, as older servers do. Default true. */
  readonly conditionalWrites?: boolean;
}

/** An S3 server on loopback in a separate process, with its data in a temporary folder. */
export interface S3TestServer {
  /** `http://127.0.0.1:<port>`. A restart does not change it. */
  readonly endpoint: string;
  readonly port: number;
  /** The only bucket. It is empty at first. */
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** The temporary folder: the server's data, and the caches of `config`. Removed by `stop`. */
  readonly folder: string;
  /** Storage settings for the bucket, or a prefix of it (`a/b`). Each prefix has its own cache folder beneath `folder`. */
  config(prefix?: string): StorageConfigInput & { readonly cacheFolder: string };
  /** Ids of all multipart uploads of the bucket that are neither complete nor aborted. */
  unfinishedUploads(): Promise<readonly string[]>;
  /** Kills the process, like a crash. Its data stay. */
  kill(): Promise<void>;
  /** Starts it again with the same port and data. Kills it first if it runs. */
  restart(): Promise<void>;
  /** Ends the process and removes its data. */
  stop(): Promise<void>;
}

/**
 * Starts the server: s3rver with the additions of `StrictS3Store`. It checks signatures (v4), so wrong credentials are refused. It ends with
 * this process; `stop` also removes its data.
 */
export async function startS3TestServer(options: S3TestServerOptions = {}): Promise<S3TestServer> {
  const folder = await mkdtemp(join(tmpdir(), 'sconce-s3-'));
  const settings = {
    folder,
    buckets: [BUCKET],
    accessKeyId: ACCESS_KEY_ID,
    secretAccessKey: SECRET_ACCESS_KEY,
    conditionalWrites: options.conditionalWrites ?? true,
  };
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  let running = await startProcess({ ...settings, port: 0 }).catch(async (error: unknown) => {
    await remove();
    throw error;
  });
  const { port } = running;
  const kill = async (): Promise<void> => {
    const { child } = running;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  };
  const endpoint = `http://127.0.0.1:${port}`;
  return {
    endpoint,
    port,
    bucket: BUCKET,
    accessKeyId: ACCESS_KEY_ID,
    secretAccessKey: SECRET_ACCESS_KEY,
    folder,
    config: (prefix = '') => ({
      root: `s3://${BUCKET}/${prefix}`,
      endpoint,
      accessKeyId: ACCESS_KEY_ID,
      secretAccessKey: SECRET_ACCESS_KEY,
      cacheFolder: join(folder, 'caches', prefix.replaceAll('/', '+') || '+'),
    }),
    unfinishedUploads: () => readdir(join(folder, 'data', BUCKET, '._S3rver_uploads')).catch(() => []),
    kill,
    restart: async () => {
      await kill();
      running = await startProcess({ ...settings, port });
    },
    stop: async () => {
      await kill();
      await remove();
    },
  };
}

async function startProcess(
  settings: S3ServerSettings,
): Promise<{ readonly child: ChildProcess; readonly port: number }> {
  const fromSource = import.meta.url.endsWith('.ts');
  const program = fileURLToPath(new URL(`./s3-server.process.${fromSource ? 'ts' : 'js'}`, import.meta.url));
  const child = fork(program, {
    env: {},
    // s3rver makes its continuation tokens with DES, which is in OpenSSL 3's legacy provider.
    execArgv: ['--openssl-legacy-provider'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (errors = (errors + text).slice(-4_000)));
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const fail = (what: string): void => reject(new Error(`the S3 test server ${what}: ${errors || '(no output)'}`));
  const timer = setTimeout(() => fail(`was not ready after ${START_TIMEOUT_MS} ms`), START_TIMEOUT_MS);
  child.once('error', (error) => fail(error.message));
  child.once('exit', (code) => fail(`ended with ${code}`));
  child.once('message', ({ port, error }: { port?: number; error?: string }) =>
    port === undefined ? fail(error ?? 'did not start') : resolve(port),
  );
  child.send(settings);
  try {
    return { child, port: await promise };
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
