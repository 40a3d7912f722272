import { SconceError } from '@sconce/errors';
import type { BlobStore } from '@sconce/storage';
import { MODELS_PREFIX, compareIds, manifestKey, modelPrefix, parseManifestKey } from './model-layout.ts';
import { modelManifestSchema, type ModelManifest } from './model-manifest.ts';
import { stored } from './stored-schema.ts';

/** Enough for a manifest, which has a few kilobytes. Its error message is cut to `MAX_FAILURE_LENGTH`. */
const MAX_MANIFEST_BYTES = 1024 * 1024;
const MAX_FAILURE_LENGTH = 16 * 1024;

const storedManifestSchema = stored(modelManifestSchema);

/** Name and version. */
export interface ModelId {
  readonly name: string;
  readonly version: string;
}

/** Reads and writes `manifest.json` files. It knows their keys and their schema, but no rules of the repository. */
export class ManifestStore {
  readonly #store: BlobStore;

  constructor(store: BlobStore) {
    this.#store = store;
  }

  /** @throws SconceError `internal` if the file is not a manifest of that version. */
  async read(id: ModelId): Promise<ModelManifest | undefined> {
    const key = manifestKey(id.name, id.version);
    const bytes = await this.#store.get(key, { maxBytes: MAX_MANIFEST_BYTES }).catch((error: unknown) => {
      throw error instanceof SconceError && error.code === 'payload_too_large' ? corrupt(id, 'it is too large') : error;
    });
    if (bytes === undefined) return undefined;
    let json: unknown;
    try {
      json = JSON.parse(new TextDecoder().decode(bytes));
    } catch (error) {
      throw corrupt(id, `it is not JSON (${error instanceof Error ? error.message : String(error)})`, error);
    }
    const parsed = storedManifestSchema.safeParse(json);
    if (!parsed.success) {
      const issues = parsed.error.issues
        .slice(0, 3)
        .map(({ path, message }) => `${path.join('.') || 'manifest'}: ${message}`);
      throw corrupt(id, issues.join('; '), parsed.error);
    }
    const { name, version } = parsed.data;
    if (name !== id.name || version !== id.version)
      throw corrupt(id, `it belongs to version ${version} of model ${name}`);
    return parsed.data;
  }

  /** Writes a manifest, atomically. @throws SconceError `internal` if the manifest does not fit its schema. */
  async write(manifest: ModelManifest): Promise<void> {
    await this.#store.put(manifestKey(manifest.name, manifest.version), encode(manifest), {
      maxBytes: MAX_MANIFEST_BYTES,
    });
  }

  /** Writes the first manifest of a version, atomically. Returns false if the version already has one. */
  async writeNew(manifest: ModelManifest): Promise<boolean> {
    const result = await this.#store.put(manifestKey(manifest.name, manifest.version), encode(manifest), {
      maxBytes: MAX_MANIFEST_BYTES,
      ifAbsent: true,
    });
    return result !== 'exists';
  }

  /** All versions that have a manifest, of one model or of all, by name and number. */
  async ids(name?: string): Promise<readonly ModelId[]> {
    const ids: ModelId[] = [];
    for await (const { key } of this.#store.list(name === undefined ? MODELS_PREFIX : modelPrefix(name))) {
      const id = parseManifestKey(key);
      if (id !== undefined) ids.push(id);
    }
    return ids.sort(compareIds);
  }
}

function encode(manifest: ModelManifest): Uint8Array {
  const { error } = manifest;
  const short =
    error === undefined
      ? manifest
      : { ...manifest, error: { ...error, message: error.message.slice(0, MAX_FAILURE_LENGTH) } };
  const parsed = modelManifestSchema.safeParse(short);
  if (parsed.success) return Buffer.from(`${JSON.stringify(parsed.data, undefined, 2)}\n`);
  const issue = parsed.error.issues[0];
  throw new SconceError(
    'internal',
    `the manifest of version ${manifest.version} of model ${manifest.name} would be invalid: ` +
      `${issue?.path.join('.') || 'manifest'}: ${issue?.message ?? 'unknown'}`,
    { cause: parsed.error },
  );
}

function corrupt(id: ModelId, why: string, cause?: unknown): SconceError {
  return new SconceError(
    'internal',
    `the manifest of version ${id.version} of model ${id.name} is damaged: ${why}. ` +
      `Restore ${manifestKey(id.name, id.version)}, or remove the version and push it again`,
    { details: { name: id.name, version: id.version }, cause },
  );
}
