import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { FolderStore, type BlobStore } from '@sconce/storage';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ModelRepository } from './index.ts';

const MAX = { maxBytes: 1_000_000 };
const onnx = (tail = ''): Uint8Array =>
  Buffer.from(`\x08\x07\x12\x07pytorch:${String.fromCharCode(tail.length)}${tail}`, 'latin1');
const signature = { inputs: [{ name: 'x', datatype: 'FP32', shape: [-1] }], outputs: [] } as const;
const ready = { status: 'ready', signature } as const;

/** Says when it is read, then waits before it goes on. */
function gatedBody(text = 'rest'): {
  body: AsyncIterable<Uint8Array>;
  begun: Promise<void>;
  open: (error?: Error) => void;
} {
  const begun = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const body = async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.concat([onnx(), Buffer.from('\x32\x80\x10', 'latin1'), Buffer.alloc(2000, 'a')]);
    begun.resolve();
    await gate.promise;
    yield Buffer.from(text);
  };
  return { body: body(), begun: begun.promise, open: (error) => (error ? gate.reject(error) : gate.resolve()) };
}

/** The store with some methods replaced. */
function intercept(store: FolderStore, methods: Readonly<Record<string, (...args: never[]) => unknown>>): BlobStore {
  return new Proxy(store, {
    get: (target, name) => {
      const own: unknown = methods[String(name)] ?? Reflect.get(target, name);
      return typeof own === 'function' ? (own.bind(target) as unknown) : own;
    },
  });
}

describe('ModelRepository.receive', () => {
  let root: string;
  let store: FolderStore;
  let repository: ModelRepository;
  let nowMs: number;
  let damaged: string[];
  const files = async (): Promise<string[]> => {
    const found: string[] = [];
    for await (const { key } of store.list('')) found.push(key);
    return [...found, ...(await readdir(join(root, '.tmp')))];
  };
  const path = (key: string): string => join(root, key);
  const artifactOf = async (name: string, version: string): Promise<Buffer> =>
    readFile(path((await repository.get(name, version)).artifact.key));
  /** A version’s files and no others. */
  const only = async (name: string, version: string): Promise<void> => {
    const { artifact, upload_id: uploadId } = await repository.get(name, version);
    expect(artifact.key).toMatch(new RegExp(`^models/${name}/${version}/${uploadId}/${artifact.sha256}[.](onnx|pt)$`));
    expect((await files()).sort()).toEqual([artifact.key, `models/${name}/${version}/manifest.json`].sort());
  };

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'sconce-models-'));
    store = await FolderStore.open({ root });
    nowMs = Date.parse('2026-01-02T03:04:05.000Z');
    damaged = [];
    repository = new ModelRepository({
      store,
      now: () => nowMs,
      onCorrupt: (error, { name, version }) => damaged.push(`${name}/${version ?? ''}: ${error.message}`),
    });
  });
  afterEach(() => rm(root, { recursive: true }));

  it('stores the artifact and a manifest beside it', async () => {
    const bytes = onnx('graph');
    const manifest = await repository.receive('m', '3', Readable.from([bytes.subarray(0, 1), bytes.subarray(1)]), {
      ...MAX,
      pool: 'gpu',
    });
    expect(manifest).toEqual({
      schema: 1,
      name: 'm',
      version: '3',
      status: 'compiling',
      platform: 'onnx_onnxv1',
      pool: 'gpu',
      artifact: {
        key: expect.stringMatching(/[.]onnx$/) as string,
        format: 'onnx',
        size_bytes: bytes.length,
        sha256: createHash('sha256').update(bytes).digest('hex'),
      },
      upload_id: expect.any(String) as string,
      config: {},
      created_at: '2026-01-02T03:04:05.000Z',
      updated_at: '2026-01-02T03:04:05.000Z',
    });
    expect(await repository.get('m', '3')).toEqual(manifest);
    await only('m', '3');
    expect(await readFile((await store.localPath(manifest.artifact.key)) ?? '')).toEqual(bytes);
  });

  it('keeps config and cases with the artifact', async () => {
    const cases = Buffer.from('cases');
    const config = { max_batch_size: 8 };
    const manifest = await repository.receive('m', '1', onnx(), { ...MAX, config, cases });
    expect(manifest).toMatchObject({ config, cases: { size_bytes: 5 } });
    expect(await readFile(path(manifest.cases?.key ?? ''))).toEqual(cases);
    await repository.remove('m', '1');
    expect(await files()).toEqual([]);
  });

  it('recognises TorchScript', async () => {
    const manifest = await repository.receive('m', '1', Buffer.from('PK\x03\x04'), MAX);
    expect(manifest).toMatchObject({
      platform: 'pytorch_torchscript',
      pool: 'default',
      artifact: { key: expect.stringMatching(/[.]pt$/) as string },
    });
  });

  it('numbers versions if none is given, also in parallel', async () => {
    await repository.receive('m', '9', onnx(), MAX);
    const made = await Promise.all(Array.from({ length: 5 }, () => repository.receive('m', undefined, onnx(), MAX)));
    expect(made.map(({ version }) => Number(version)).sort((a, b) => a - b)).toEqual([10, 11, 12, 13, 14]);
    expect((await repository.receive('new', undefined, onnx(), MAX)).version).toBe('1');
    await repository.receive('m', '9999999999', onnx(), MAX);
    await expect(repository.receive('m', undefined, onnx(), MAX)).rejects.toMatchObject({ code: 'invalid_request' });
  });

  it('accepts one of 10 parallel uploads of a version, across repositories', async () => {
    const bodies = Array.from({ length: 10 }, (_, index) => onnx(`body ${index}`));
    const results = await Promise.allSettled(
      bodies.map((body) => new ModelRepository({ store }).receive('m', '1', Readable.from([body]), MAX)),
    );
    const winners = bodies.filter((_, index) => results[index]?.status === 'fulfilled');
    expect(winners).toHaveLength(1);
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'version_exists' });
    }
    expect(await artifactOf('m', '1')).toEqual(winners[0]);
    await only('m', '1');
  });

  it('refuses a second upload during the first, without reading its file', async () => {
    const first = gatedBody();
    const upload = repository.receive('m', '1', first.body, MAX);
    await first.begun;
    expect(await repository.get('m')).toMatchObject({ status: 'receiving', artifact: { size_bytes: 0 } });
    const second = Readable.from([
      Buffer.concat([onnx(), Buffer.from('\x32\x80\x10', 'latin1'), Buffer.alloc(2000)]),
      Buffer.from('never read'),
    ]);
    await expect(repository.receive('m', '1', second, MAX)).rejects.toMatchObject({ code: 'version_exists' });
    expect(second.readableEnded).toBe(false);
    expect(second.destroyed).toBe(false);
    second.destroy();
    first.open();
    expect(await upload).toMatchObject({ status: 'compiling' });
  });

  it('leaves nothing of an upload that fails, is aborted, is too large, or is not a model', async () => {
    const broken = gatedBody();
    const upload = repository.receive('m', '1', broken.body, MAX);
    await broken.begun;
    const failure = new Error('connection reset');
    broken.open(failure);
    await expect(upload).rejects.toBe(failure);
    expect(await files()).toEqual([]);

    const hanging = gatedBody();
    const abort = new AbortController();
    const aborted = repository.receive('m', '1', hanging.body, { ...MAX, signal: abort.signal });
    await hanging.begun;
    abort.abort(failure);
    await expect(aborted).rejects.toBe(failure);
    hanging.open();
    expect(await files()).toEqual([]);

    await expect(repository.receive('m', '1', onnx('too long'), { maxBytes: 12 })).rejects.toMatchObject({
      code: 'payload_too_large',
    });
    await expect(repository.receive('m', '1', Buffer.from('<html>'), MAX)).rejects.toMatchObject({
      code: 'model_invalid',
    });
    await expect(repository.receive('m', '1', Buffer.from(''), MAX)).rejects.toMatchObject({ code: 'model_invalid' });
    await expect(repository.receive('stats', '1', onnx(), MAX)).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(repository.receive('m', '01', onnx(), MAX)).rejects.toMatchObject({ code: 'invalid_request' });
    expect(await files()).toEqual([]);
  });

  it.each(['compiling', 'ready'] as const)('refuses a version that is %s', async (status) => {
    await repository.receive('m', '1', onnx('old'), MAX);
    if (status === 'ready') await repository.update('m', '1', ready);
    await expect(repository.receive('m', '1', onnx('new'), MAX)).rejects.toMatchObject({ code: 'version_exists' });
    expect(await artifactOf('m', '1')).toEqual(onnx('old'));
  });

  it('replaces a failed version by one of many parallel uploads', async () => {
    await repository.receive('m', '1', Buffer.from('PK\x03\x04'), MAX);
    await repository.update('m', '1', { status: 'failed', error: { code: 'c', message: 'm' } });
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, () => new ModelRepository({ store }).receive('m', '1', onnx('new'), MAX)),
    );
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await repository.get('m', '1')).toMatchObject({ status: 'compiling', platform: 'onnx_onnxv1' });
    expect((await repository.get('m', '1')).error).toBeUndefined();
    await only('m', '1');
  });

  it('fails if another replacement began and ended between its read of the failed version and its claim', async () => {
    await repository.receive('m', '1', onnx('failed'), MAX);
    await repository.update('m', '1', { status: 'failed', error: { code: 'c', message: 'm' } });
    let isFirst = true;
    const put = async (...args: Parameters<BlobStore['put']>): Promise<unknown> => {
      if (args[0].includes('takeover') && isFirst) {
        isFirst = false;
        await repository.receive('m', '1', onnx('winner'), MAX);
      }
      return store.put(...(args as Parameters<FolderStore['put']>));
    };
    const late = new ModelRepository({ store: intercept(store, { put }) });
    await expect(late.receive('m', '1', onnx('late'), MAX)).rejects.toMatchObject({ code: 'version_exists' });
    expect(isFirst).toBe(false);
    expect(await artifactOf('m', '1')).toEqual(onnx('winner'));
    await only('m', '1');
  });

  it('replaces an upload whose process is dead, and a replaced upload that continues fails', async () => {
    const slow = gatedBody();
    const displaced = repository.receive('m', '1', slow.body, MAX);
    await slow.begun;
    nowMs += 3_599_999;
    await expect(repository.receive('m', '1', onnx('new'), MAX)).rejects.toMatchObject({ code: 'version_exists' });
    nowMs += 1;
    const manifest = await repository.receive('m', '1', onnx('new'), MAX);
    slow.open();
    await expect(displaced).rejects.toMatchObject({ code: 'version_exists' });
    expect(await repository.get('m', '1')).toEqual(manifest);
    expect(await artifactOf('m', '1')).toEqual(onnx('new'));
  });

  it('leaves nothing if the version is removed during the upload', async () => {
    const slow = gatedBody();
    const upload = repository.receive('m', '1', slow.body, MAX);
    await slow.begun;
    await repository.remove('m', '1');
    slow.open();
    await expect(upload).rejects.toMatchObject({ code: 'version_exists' });
    expect(await files()).toEqual([]);
  });
});
