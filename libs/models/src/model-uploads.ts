import { randomUUID } from 'node:crypto';
import type { ModelConfig } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import { chunksOf, type BlobBody, type BlobStore } from '@sconce/storage';
import type { ManifestStore, ModelId } from './manifest-store.ts';
import { takeoverKey, uploadPrefix, versionPrefix } from './model-layout.ts';
import type { ArtifactFormat, ModelManifest, StoredFile } from './model-manifest.ts';
import { MAX_MODEL_VERSION } from './model-name.ts';
import { SNIFF_HEAD_BYTES, sniffFormat } from './sniff-format.ts';

/** Options of one upload. */
export interface ReceiveOptions {
  /** A larger artifact is refused with `payload_too_large`. */
  readonly maxBytes: number;
  /** The workers that will serve the model. Default `default`. */
  readonly pool?: string | undefined;
  /** The config that was pushed with the model. */
  readonly config?: ModelConfig | undefined;
  /** A safetensors file of calls with the outputs they must have. */
  readonly cases?: Uint8Array | undefined;
  /** Ends the upload; `receive` then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Dependencies and options of uploads. */
export interface ModelUploadsOptions {
  readonly store: BlobStore;
  readonly manifests: ManifestStore;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly abandonedAfterMs: number;
}

/**
 * Receives artifacts. Of all uploads of one version, in all processes, at most one succeeds:
 *
 * 1. An upload first writes a manifest with status `receiving`, if there is none (atomic). Other uploads then fail before they
 *    send their files.
 * 2. An upload may replace a `failed` version, or a `receiving` one whose process is dead. It must write the takeover key of the old
 *    upload (atomic) and then still find the manifest of that upload.
 * 3. Each upload has a folder of its own, so that a replaced upload that continues cannot mix its bytes in.
 * 4. An upload that does not find its own `upload_id` in the manifest any more fails.
 *
 * A failed upload removes all its files. An upload whose process died can be replaced after `abandonedAfterMs`.
 */
export class ModelUploads {
  readonly #store: BlobStore;
  readonly #manifests: ManifestStore;
  readonly #now: () => number;
  readonly #abandonedAfterMs: number;

  constructor(options: ModelUploadsOptions) {
    this.#store = options.store;
    this.#manifests = options.manifests;
    this.#now = options.now;
    this.#abandonedAfterMs = options.abandonedAfterMs;
  }

  /** See `ModelRepository.receive`. */
  async receive(
    name: string,
    version: string | undefined,
    body: BlobBody,
    options: ReceiveOptions,
  ): Promise<ModelManifest> {
    const chunks = chunksOf(body, options.signal);
    try {
      const { head, rest } = await peek(chunks);
      const draft = this.#draft(name, sniffFormat(head), options);
      const reserved =
        version === undefined ? await this.#reserveNext(name, draft) : await this.#reserve(draft(version));
      return await this.#fill(reserved, rest, options);
    } finally {
      void chunks.return();
    }
  }

  #draft(name: string, format: ArtifactFormat, options: ReceiveOptions): (version: string) => ModelManifest {
    const at = new Date(this.#now()).toISOString();
    return (version) => ({
      schema: 1,
      name,
      version,
      status: 'receiving',
      platform: format === 'onnx' ? 'onnx_onnxv1' : 'pytorch_torchscript',
      pool: options.pool ?? 'default',
      artifact: { key: '', format, size_bytes: 0, sha256: '' },
      upload_id: randomUUID(),
      config: options.config ?? {},
      created_at: at,
      updated_at: at,
    });
  }

  async #reserveNext(name: string, draft: (version: string) => ModelManifest): Promise<ModelManifest> {
    const ids = await this.#manifests.ids(name);
    for (let next = Number(ids.at(-1)?.version ?? '0') + 1; next <= MAX_MODEL_VERSION; next++) {
      const manifest = draft(String(next));
      if (await this.#manifests.writeNew(manifest)) return manifest;
    }
    throw new SconceError(
      'invalid_request',
      `no version above ${MAX_MODEL_VERSION} can be given: name the version to push`,
      {
        details: { param: 'version' },
      },
    );
  }

  async #reserve(manifest: ModelManifest): Promise<ModelManifest> {
    if (await this.#manifests.writeNew(manifest)) return manifest;
    const existing = await this.#manifests.read(manifest);
    // The manifest is removed meanwhile, because the other upload failed. One more attempt decides.
    if (existing === undefined) {
      if (await this.#manifests.writeNew(manifest)) return manifest;
      throw versionExists(manifest, 'another upload of it is in progress');
    }
    if (!this.#isReplaceable(existing)) throw versionExists(existing, describeExisting(existing));
    const takeover = takeoverKey(manifest.name, manifest.version, existing.upload_id);
    if ((await this.#store.put(takeover, new Uint8Array(), { maxBytes: 0, ifAbsent: true })) === 'exists') {
      throw versionExists(manifest, 'another upload is replacing it; if none is, remove the version first');
    }
    try {
      const again = await this.#manifests.read(manifest);
      if (again?.upload_id !== existing.upload_id || !this.#isReplaceable(again)) {
        throw versionExists(manifest, 'another upload of it is in progress');
      }
      await this.#store.deletePrefix(uploadPrefix(manifest.name, manifest.version, existing.upload_id));
      await this.#manifests.write(manifest);
      return manifest;
    } finally {
      // The manifest now has another upload_id, or this attempt failed: the key is not needed any more.
      await this.#store.delete(takeover).catch(() => undefined);
    }
  }

  #isReplaceable(manifest: ModelManifest): boolean {
    if (manifest.status === 'failed') return true;
    return manifest.status === 'receiving' && this.#now() - Date.parse(manifest.updated_at) >= this.#abandonedAfterMs;
  }

  async #fill(
    reserved: ModelManifest,
    body: AsyncIterable<Uint8Array>,
    options: ReceiveOptions,
  ): Promise<ModelManifest> {
    try {
      const folder = uploadPrefix(reserved.name, reserved.version, reserved.upload_id);
      const { format } = reserved.artifact;
      const store = async (suffix: string, content: BlobBody, maxBytes: number): Promise<StoredFile> => {
        const { key, sha256, sizeBytes } = await this.#store.putContent(folder, suffix, content, {
          maxBytes,
          signal: options.signal,
        });
        return { key, sha256, size_bytes: sizeBytes };
      };
      const { cases } = options;
      const storedCases = cases && (await store('.safetensors', cases, cases.byteLength));
      const artifact = await store(format === 'onnx' ? '.onnx' : '.pt', body, options.maxBytes);
      if (!(await this.#isMine(reserved))) {
        await this.#store.deletePrefix(folder);
        throw versionExists(reserved, 'it was removed or replaced during this upload: push it again');
      }
      const manifest: ModelManifest = {
        ...reserved,
        status: 'compiling',
        artifact: { ...artifact, format },
        cases: storedCases,
        updated_at: new Date(this.#now()).toISOString(),
      };
      await this.#manifests.write(manifest);
      return manifest;
    } catch (error) {
      // If this fails too, a later upload replaces the manifest. The first error is thrown.
      await this.#forget(reserved).catch(() => undefined);
      throw error;
    }
  }

  async #forget(reserved: ModelManifest): Promise<void> {
    if (await this.#isMine(reserved)) await this.#store.deletePrefix(versionPrefix(reserved.name, reserved.version));
  }

  async #isMine(reserved: ModelManifest): Promise<boolean> {
    return (await this.#manifests.read(reserved))?.upload_id === reserved.upload_id;
  }
}

/** Reads enough bytes to find the format. `rest` is the whole body again. */
async function peek(
  chunks: AsyncGenerator<Uint8Array>,
): Promise<{ head: Uint8Array; rest: AsyncIterable<Uint8Array> }> {
  const first: Uint8Array[] = [];
  let length = 0;
  while (length < SNIFF_HEAD_BYTES) {
    const step = await chunks.next();
    if (step.done === true) break;
    if (step.value.byteLength > 0) first.push(step.value);
    length += step.value.byteLength;
  }
  const head = Buffer.concat(first.map((chunk) => chunk.subarray(0, SNIFF_HEAD_BYTES))).subarray(0, SNIFF_HEAD_BYTES);
  const rest = async function* (): AsyncGenerator<Uint8Array> {
    yield* first;
    first.length = 0;
    yield* chunks;
  };
  return { head, rest: rest() };
}

function describeExisting(existing: ModelManifest): string {
  if (existing.status === 'receiving') return `another upload of it began at ${existing.created_at}`;
  return `it is ${existing.status}; versions never change: push another version, or remove this one first`;
}

function versionExists({ name, version }: ModelId, why: string): SconceError {
  return new SconceError('version_exists', `version ${version} of model ${name} is taken: ${why}`, {
    details: { param: 'version', name, version },
  });
}
