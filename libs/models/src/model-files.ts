import { createHash } from 'node:crypto';
import { SconceError } from '@sconce/errors';
import type { BlobBody, BlobStore } from '@sconce/storage';
import * as z from 'zod';
import { uploadPrefix } from './model-layout.ts';
import type { ModelManifest, StoredFile } from './model-manifest.ts';
import { stored } from './stored-schema.ts';

const MAX_RECORD_BYTES = 64 * 1024;
/** A saved form may be several times as large as its artifact: it has prepacked weights besides the plain ones. */
const MAX_FORM_BYTES = 64 * 1024 ** 3;

const fileSchema = z.strictObject({
  name: z.string().min(1),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  size_bytes: z.int().nonnegative(),
});

const recordSchema = stored(
  z.strictObject({
    schema: z.literal(1),
    /** Digest of the digests of the files. It names their folder. */
    folder: z.string().regex(/^[0-9a-f]{64}$/),
    files: z.array(fileSchema).min(1),
  }),
);

/** A file for a saved form. */
export interface FormFile {
  /** Its name within the form. Files refer to each other by name. */
  readonly name: string;
  readonly sha256: string;
  readonly body: () => BlobBody;
}

/** A saved form in the store: files in one folder that refer to each other by name. */
export interface SavedForm {
  /** Differs for every other content. */
  readonly id: string;
  readonly files: readonly (StoredFile & { readonly name: string })[];
}

/**
 * The files of a version besides its manifest: the results of compilation, and the saved forms. They are in the folder of
 * their upload. Their names contain the digest of their content, and they never change.
 */
export class ModelFiles {
  readonly #store: BlobStore;

  constructor(store: BlobStore) {
    this.#store = store;
  }

  /** Stores a file of a version. @throws SconceError `payload_too_large`. */
  async add(
    manifest: ModelManifest,
    suffix: string,
    body: BlobBody,
    options: { readonly maxBytes: number },
  ): Promise<StoredFile> {
    const { key, sha256, sizeBytes } = await this.#store.putContent(folderOf(manifest), suffix, body, options);
    return { key, sha256, size_bytes: sizeBytes };
  }

  /** A file that a native runtime can map. @throws SconceError `model_not_found` if it does not exist any more. */
  async path(manifest: ModelManifest, file: StoredFile): Promise<string> {
    const path = file.sha256 === '' ? undefined : await this.#store.localPath(file.key);
    if (path !== undefined) return path;
    const { name, version } = manifest;
    throw new SconceError(
      'model_not_found',
      `a file of version ${version} of model ${name} is not in the store (${file.key}): the version was removed; push it again`,
      { details: { name, version } },
    );
  }

  /** The saved form for one kind of machine (`target`), if a worker has made it. A damaged record counts as missing. */
  async form(manifest: ModelManifest, target: string): Promise<SavedForm | undefined> {
    const bytes = await this.#store.get(recordKey(manifest, target), { maxBytes: MAX_RECORD_BYTES });
    if (bytes === undefined) return undefined;
    const parsed = recordSchema.safeParse(parseJson(bytes));
    return parsed.success ? toForm(manifest, target, parsed.data) : undefined;
  }

  /** Stores a saved form. If another worker was faster, returns the form of that worker. */
  async addForm(manifest: ModelManifest, target: string, files: readonly FormFile[]): Promise<SavedForm> {
    const folder = createHash('sha256')
      .update(files.map(({ name, sha256 }) => `${name} ${sha256}\n`).join(''))
      .digest('hex');
    const stored: z.infer<typeof fileSchema>[] = [];
    for (const { name, sha256, body } of files) {
      const key = `${formPrefix(manifest, target)}${folder}/${name}`;
      const { sizeBytes, sha256: found } = await this.#store.put(key, body(), { maxBytes: MAX_FORM_BYTES });
      if (found !== sha256) throw new SconceError('internal', `${name} of the saved form changed while it was stored`);
      stored.push({ name, sha256, size_bytes: sizeBytes });
    }
    const record = { schema: 1 as const, folder, files: stored };
    const bytes = Buffer.from(`${JSON.stringify(record)}\n`);
    const put = await this.#store.put(recordKey(manifest, target), bytes, {
      maxBytes: MAX_RECORD_BYTES,
      ifAbsent: true,
    });
    const other = put === 'exists' ? await this.form(manifest, target) : undefined;
    if (other === undefined) return toForm(manifest, target, record);
    if (other.id !== folder) await this.#store.deletePrefix(`${formPrefix(manifest, target)}${folder}/`);
    return other;
  }
}

const folderOf = ({ name, version, upload_id: uploadId }: ModelManifest): string =>
  uploadPrefix(name, version, uploadId);
const formPrefix = (manifest: ModelManifest, target: string): string => `${folderOf(manifest)}forms/${target}/`;
const recordKey = (manifest: ModelManifest, target: string): string => `${formPrefix(manifest, target)}form.json`;

function toForm(manifest: ModelManifest, target: string, { folder, files }: z.infer<typeof recordSchema>): SavedForm {
  const prefix = `${formPrefix(manifest, target)}${folder}/`;
  return { id: folder, files: files.map((file) => ({ ...file, key: `${prefix}${file.name}` })) };
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
