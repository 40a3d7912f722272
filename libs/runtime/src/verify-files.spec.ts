import { createHash } from 'node:crypto';
import { appendFileSync, mkdirSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fixturePath, temporaryFolder } from '@sconce/testing';
import type { FileDigest } from './thread-protocol.ts';
import { modelGone, verifyFiles } from './verify-files.ts';

const folder = temporaryFolder('verify');
let files = 0;

/** A file with its digest. */
function fileOf(bytes: Uint8Array): FileDigest {
  const path = join(folder, `${files++}.bin`);
  writeFileSync(path, bytes);
  return { path, sha256: createHash('sha256').update(bytes).digest('hex') };
}

const model = (): FileDigest => fileOf(readFileSync(fixturePath('affine')));
/** More than is read at a time, and no multiple of it. */
const large = (): FileDigest => fileOf(Buffer.alloc(2.5 * 1024 ** 2, 'weights'));

function flipBit(path: string, offset: number): void {
  const bytes = readFileSync(path);
  bytes.writeUInt8(bytes.readUInt8(offset) ^ 1, offset);
  writeFileSync(path, bytes);
}

describe('verifyFiles', () => {
  it('accepts unchanged files', async () => {
    await expect(verifyFiles([])).resolves.toBeUndefined();
    await expect(verifyFiles([model(), large(), fileOf(new Uint8Array())])).resolves.toBeUndefined();
  });

  it.each<[what: string, file: () => FileDigest, change: (path: string) => void]>([
    ['its first bit', model, (path) => flipBit(path, 0)],
    ['a bit of the last read', large, (path) => flipBit(path, 2.5 * 1024 ** 2 - 1)],
    ['a bit between two reads', large, (path) => flipBit(path, 1024 ** 2)],
    ['its last byte, which is gone', large, (path) => truncateSync(path, 2.5 * 1024 ** 2 - 1)],
    ['all of it, which is gone', model, (path) => truncateSync(path, 0)],
    ['a byte more', model, (path) => appendFileSync(path, '\0')],
  ])('refuses a file that differs in %s', async (_, make, change) => {
    const file = make();
    change(file.path);
    const found = createHash('sha256').update(readFileSync(file.path)).digest('hex');
    await expect(verifyFiles([file])).rejects.toMatchObject({
      code: 'model_corrupt',
      message: expect.stringMatching(
        new RegExp(`has changed since it was proved .*is ${found}, not ${file.sha256}.*push`),
      ) as string,
    });
  });

  it('checks the files in order, and stops at the first wrong one', async () => {
    const [first, second, third] = [model(), model(), model()];
    appendFileSync(second.path, '\0');
    rmSync(third.path);
    await expect(verifyFiles([first, second, third])).rejects.toMatchObject({ code: 'model_corrupt' });
    await expect(verifyFiles([first, third, second])).rejects.toMatchObject({ code: 'model_not_found' });
  });

  it('distinguishes a missing file from a damaged one', async () => {
    const file = model();
    rmSync(file.path);
    await expect(verifyFiles([file])).rejects.toMatchObject({
      code: 'model_not_found',
      message: modelGone(file.path).message,
    });
    expect(modelGone(file.path).message).toContain(`(${basename(file.path)})`);
  });

  it('refuses a file that cannot be read, with the reason', async () => {
    const path = join(folder, 'a-folder');
    mkdirSync(path);
    await expect(verifyFiles([{ path, sha256: '' }])).rejects.toMatchObject({
      code: 'model_corrupt',
      message: expect.stringMatching(/can't be read \(.*EISDIR.*push it again/) as string,
      cause: expect.objectContaining({ code: 'EISDIR' }) as Error,
    });
  });

  it.runIf(process.platform === 'linux')('closes every file, also files that cannot be read', async () => {
    const open = (): number => readdirSync('/proc/self/fd').length;
    const many = Array.from({ length: 40 }, model);
    const before = open();
    await verifyFiles(many);
    for (let i = 0; i < 40; i++) await verifyFiles([{ path: folder, sha256: '' }]).catch(() => undefined);
    expect(open()).toBeLessThan(before + 20);
  });
});
