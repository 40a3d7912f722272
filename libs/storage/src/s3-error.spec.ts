import { execFile } from 'node:child_process';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect, promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FolderStore, S3Store, openBlobStore, storageConfigSchema } from './index.ts';
import { s3Error } from './s3-error.ts';
import { partBytesFor } from './s3-upload.ts';
import { startS3TestServer, type S3TestServer } from './testing/index.ts';

const MAX = { maxBytes: 1000 };
const MIB = 1024 ** 2;
const thrownBy = (work: Promise<unknown>): Promise<Error> =>
  work.then(
    () => expect.unreachable('it worked'),
    (error: Error) => error,
  );

describe('S3Store with wrong settings or a failing server', () => {
  let server: S3TestServer;
  beforeAll(async () => {
    server = await startS3TestServer();
  });
  afterAll(() => server.stop());

  it.each([
    ['an unknown access key', { accessKeyId: 'somebody' }, 'the access key is unknown'],
    ['a wrong secret', { secretAccessKey: 'wrong-secret' }, 'the secret access key is wrong'],
    ['a missing bucket', { root: 's3://nowhere/x' }, 'the bucket does not exist'],
    ['nobody listening', { endpoint: 'http://127.0.0.1:9' }, 'connection refused'],
    ['an unknown host', { endpoint: 'http://nowhere.invalid' }, 'the host name'],
  ])('reports %s when opened, and shows no secret', async (_, wrong, message) => {
    const config = { ...server.config(), ...wrong };
    const error = await thrownBy(openBlobStore(config));
    expect(error).toMatchObject({ code: 'storage_unavailable' });
    expect(error.message).toContain(`opening the storage ${config.root}`);
    expect(error.message).toContain(message);
    const everything = inspect(error, { depth: Infinity, showHidden: true }) + JSON.stringify(error);
    expect(everything).not.toContain(config.secretAccessKey);
    expect(everything).not.toContain('Signature=');
  });

  it('refuses a server that ignores If-None-Match', async () => {
    const old = await startS3TestServer({ conditionalWrites: false });
    try {
      await expect(S3Store.open(old.config())).rejects.toMatchObject({
        code: 'storage_unavailable',
        message: expect.stringContaining('ignores If-None-Match') as string,
      });
    } finally {
      await old.stop();
    }
  });

  it('reports a missing bucket or server, and works again when they are back', async () => {
    const store = await S3Store.open(server.config('gone'));
    await store.put('k', Buffer.from('x'), MAX);
    const calls = {
      put: () => store.put('k', Buffer.from('x'), MAX),
      putContent: () => store.putContent('c/', '', Buffer.from('x'), MAX),
      get: () => store.get('k', MAX),
      open: () => store.open('k'),
      stream: () => store.stream('k'),
      stat: () => store.stat('k'),
      localPath: () => store.localPath('k'),
      list: () => store.list('').next(),
      delete: () => store.delete('k'),
      deletePrefix: () => store.deletePrefix('k/'),
    };
    const expectAll = async (message: string): Promise<void> => {
      for (const [name, call] of Object.entries(calls)) {
        const error = await thrownBy(call());
        expect(error, name).toMatchObject({ code: 'storage_unavailable' });
        expect(error.message, name).toContain(message);
      }
    };
    const bucket = join(server.folder, 'data', server.bucket);
    await rename(bucket, `${bucket}-away`);
    await expectAll('the bucket does not exist');
    await rename(`${bucket}-away`, bucket);
    await server.kill();
    await expectAll('connection refused');
    await server.restart();
    expect(await store.get('k', MAX)).toEqual(Buffer.from('x'));
  });
});

describe('s3Error', () => {
  it.each([
    [Object.assign(new Error('no'), { name: 'CredentialsProviderError' }), 'no credentials'],
    [new Error('Region is missing'), 'no region'],
    [sdkError('AccessDenied', 403), 's3:PutObject'],
    [sdkError('Unknown', 403), 'access denied'],
    [sdkError('PermanentRedirect', 301), 'another region'],
    [sdkError('SlowDown', 503), 'try again later'],
    [sdkError('NotImplemented', 501), 'lacks this part'],
    [sdkError('Weird', 400), 'raw text'],
    [Object.assign(new AggregateError([Object.assign(new Error('a'), { code: 'ECONNREFUSED' })]), {}), 'refused'],
  ])('turns %s into advice', (cause, advice) => {
    const error = s3Error(cause, 'storing k failed');
    expect(error.code).toBe('storage_unavailable');
    expect(error.message).toContain('storing k failed: ');
    expect(error.message).toContain(advice);
    expect(JSON.stringify(error.cause)).not.toContain('token');
  });
});

describe('partBytesFor', () => {
  it('grows so that the body fits into 10 000 parts', () => {
    expect(partBytesFor(1)).toBe(8 * MIB);
    expect(partBytesFor(78 * 1024 * MIB)).toBe(8 * MIB);
    expect(partBytesFor(79 * 1024 * MIB)).toBe(9 * MIB);
    expect(partBytesFor(Infinity)).toBe(525 * MIB);
  });
});

describe('storageConfigSchema for S3', () => {
  it.each([
    ['s3://bucket', {}],
    ['s3://bucket/', {}],
    ['s3://my.bucket-1/a/b/', { endpoint: 'https://s3.example.com:9000', region: 'eu-central-1' }],
    [
      's3://bucket/a',
      { accessKeyId: 'a', secretAccessKey: 'b', forcePathStyle: false, cacheBytes: 5, cacheFolder: 'c' },
    ],
  ])('accepts %s with %j', (root, rest) => {
    expect(storageConfigSchema.parse({ root, ...rest })).toEqual({ root, staleTempMs: 86_400_000, ...rest });
  });

  it.each([
    [{ root: 's3://' }, 'root'],
    [{ root: 's3://Bucket/x' }, 'root'],
    [{ root: 's3://user:secret@bucket/x' }, 'root'],
    [{ root: 's3://bucket/a//b' }, 'root'],
    [{ root: 's3://bucket/../b' }, 'root'],
    [{ root: `s3://bucket/${'x/'.repeat(101)}x` }, 'root'],
    [{ root: 's3://bucket', accessKeyId: 'a' }, 'secretAccessKey'],
    [{ root: 's3://bucket', secretAccessKey: 'a' }, 'accessKeyId'],
    [{ root: 's3://bucket', endpoint: 'ftp://host' }, 'endpoint'],
    [{ root: 's3://bucket', endpoint: 'http://a:b@host' }, 'endpoint'],
    [{ root: '/data', region: 'x' }, 'region'],
    [{ root: '/data', cacheBytes: 1 }, 'cacheBytes'],
  ])('refuses %j', (config, at) => {
    const issues = storageConfigSchema.safeParse(config).error?.issues ?? [];
    expect(issues.map(({ path }) => path.join('.'))).toEqual([at]);
  });
});

describe('openBlobStore', () => {
  it('does not open a bucket as a folder', async () => {
    await expect(FolderStore.open({ root: 's3://bucket' })).rejects.toMatchObject({ code: 'internal' });
  });

  it('opens a folder without loading the AWS SDK', async () => {
    const script = `
      import { registerHooks } from 'node:module';
      registerHooks({ resolve: (name, context, next) => {
        if (name.includes('aws') || name.includes('smithy')) throw new Error('loads ' + name);
        return next(name, context);
      } });
      const { openBlobStore } = await import(${JSON.stringify(new URL('./index.ts', import.meta.url).href)});
      const { mkdtempSync, rmSync } = await import('node:fs');
      const root = mkdtempSync('/tmp/sconce-storage-');
      console.log((await openBlobStore({ root })).constructor.name);
      rmSync(root, { recursive: true });
      await openBlobStore({ root: 's3://bucket' }).catch((error) => console.log(error.message));`;
    const args = ['--conditions=@sconce/source', '--input-type=module', '-e', script];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: import.meta.dirname });
    expect(stdout).toMatch(/^FolderStore\n.*loads @aws-sdk\/client-s3\n$/);
  });
});

function sdkError(name: string, httpStatusCode: number): Error {
  const $response = { headers: { 'x-amz-security-token': 'token' } };
  return Object.assign(new Error('raw text'), { name, $metadata: { httpStatusCode, requestId: 'r' }, $response });
}
