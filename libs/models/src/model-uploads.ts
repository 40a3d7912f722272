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
  /** What its owner says about the model. */
  readonly config?: ModelConfig | undefined;
  /** A safetensors file of calls with the outputs they must have. */
  readonly cases?: Uint8Array | undefined;
  /** Ends the upload; `receive` then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** What uploads need. */
export interface ModelUploadsOptions {
  readonly store: BlobStore;
  readonly manifests: ManifestStore;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly abandonedAfterMs: number;
}

/**
 * Receives artifacts, so that of all uploads of one version, in whatever processes, one at most wins:
 *
 * 1. a manifest with status `receiving` is put where there is none (atomic): the loser fails before it sends its file;
 * 2. a `failed` version, or a `receiving` one whose process is gone, is taken over by whoever puts the takeover key of that
 *    upload (atomic) and then still finds that upload's manifest;
 * 3. each upload has a folder of its own, so a displaced one that wakes up again cannot mix its bytes in;
 * 4. whoever no longer finds its own `upload_id` in the manifest gives up.
 *
 * A failed upload removes all it made; one whose process died is taken over once it is `abandonedAfterMs` old.
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
    // Gone meanwhile: the other upload failed. One more try decides.
    if (existing === undefined) {
      if (await this.#manifests.writeNew(manifest)) return manifest;
      throw versionExists(manifest, 'another upload of it is under way');
    }
    if (!this.#isReplaceable(existing)) throw versionExists(existing, describeExisting(existing));
    const takeover = takeoverKey(manifest.name, manifest.version, existing.upload_id);
    if ((await this.#store.put(takeover, new Uint8Array(), { maxBytes: 0, ifAbsent: true })) === 'exists') {
      throw versionExists(manifest, 'another upload is replacing it; if none is, remove the version first');
    }
    try {
      const again = await this.#manifests.read(manifest);
      if (again?.upload_id !== existing.upload_id || !this.#isReplaceable(again)) {
        throw versionExists(manifest, 'another upload of it is under way');
      }
      await this.#store.deletePrefix(uploadPrefix(manifest.name, manifest.version, existing.upload_id));
      await this.#manifests.write(manifest);
      return manifest;
    } finally {
      // From here on the manifest has another upload_id (or this try failed): the key guards nothing any more.
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
        throw versionExists(reserved, 'it was removed or taken over while this upload was under way; push it again');
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
      // Where this fails too, the reservation is taken over later; the first error is the one to tell.
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

/** Reads until there is enough to sniff; `rest` is the whole body again. */
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
  if (existing.status === 'receiving') return `another upload of it is under way since ${existing.created_at}`;
  return `it is ${existing.status}; versions never change: push another version, or remove this one first`;
}

function versionExists({ name, version }: ModelId, why: string): SconceError {
  return new SconceError('version_exists', `version ${version} of model ${name} is taken: ${why}`, {
    details: { param: 'version', name, version },
  });
}
