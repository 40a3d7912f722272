import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ModelConfig } from '@sconce/contracts';
import { SconceError, toSconceError } from '@sconce/errors';
import { ModelFiles, ModelRepository, parseModelConfig, type ModelManifest } from '@sconce/models';
import { FolderStore, type BlobStore } from '@sconce/storage';
import type { Logger } from '@sconce/telemetry';
import type { IsolationLimits } from '../registration/isolated-process.ts';
import { ModelRegistration, type RegistrationStage } from '../registration/model-registration.ts';
import type { ModelEntry } from './model-entry.ts';

/** The folder of kept compilations beside a model file. */
const BESIDE = '.sconce-serve';
/** Changes when kept compilations are laid out in another way. */
const LAYOUT = 1;
const KEY_DIGITS = 32;
const KEY = /^[0-9a-f]{32}$/;
const UNFINISHED = '.unfinished-';
/** A compilation that is older was left behind by a process that died. */
const ABANDONED_MS = 24 * 60 * 60 * 1_000;
const MAX_CONFIG_BYTES = 256 * 1024;

export interface KeptModelsOptions {
  /** The release of this program: another one compiles again. */
  readonly release: string;
  /** The folder of all kept compilations. Default: a hidden folder beside each model file. */
  readonly cache?: string | undefined;
  readonly limits: IsolationLimits;
  readonly logger: Logger;
  /** Called when a model is compiled, and after each stage. */
  readonly onProgress?: (entry: ModelEntry, stage: 'compile' | RegistrationStage) => void;
}

/** A version that is ready to be served. */
export interface KeptModel {
  readonly entry: ModelEntry;
  readonly manifest: ModelManifest;
  /** Has the version's blobs. */
  readonly store: BlobStore;
  /** Whether it was compiled just now. */
  readonly isNew: boolean;
}

/**
 * Compiles and proves model files once. A result is a folder whose name has a digest of the file's content, its config, its name and the
 * release; the folder is a blob store with one version. It appears under its name when it is complete.
 */
export class KeptModels {
  readonly #options: KeptModelsOptions;
  readonly #registrations = new Set<ModelRegistration>();

  constructor(options: KeptModelsOptions) {
    this.#options = options;
  }

  /**
   * The kept result of a file, or a new one if there is none, or it is damaged.
   * @throws SconceError with the file's path in the message: `model_invalid`, `invalid_request` (the config), `storage_unavailable`.
   */
  async open(entry: ModelEntry): Promise<KeptModel> {
    return about(entry, async () => {
      const source = await readSource(entry);
      const folder = this.#folderOf(entry, source);
      const kept = await this.#read(entry, folder);
      return kept ?? (await this.#make(entry, source, folder));
    });
  }

  /** Compiles a file again, because its kept result turned out to be damaged. */
  async remake(entry: ModelEntry, why: SconceError): Promise<KeptModel> {
    return about(entry, async () => {
      const source = await readSource(entry);
      const folder = this.#folderOf(entry, source);
      this.#options.logger.warn(
        { err: why, folder, model: entry.name },
        'a kept compilation is damaged: it is made again',
      );
      await rm(folder, { recursive: true, force: true });
      return this.#make(entry, source, folder);
    });
  }

  /** Ends compilations that run, with `shutting_down`. */
  stop(): void {
    for (const registration of this.#registrations) registration.stop();
  }

  #folderOf({ name, version, path }: ModelEntry, { sha256, config }: Source): string {
    const key = createHash('sha256')
      .update(JSON.stringify([LAYOUT, this.#options.release, name, version, sha256, config]))
      .digest('hex')
      .slice(0, KEY_DIGITS);
    return join(this.#options.cache ?? join(dirname(path), BESIDE), `${name}-${version}-${key}`);
  }

  async #read(entry: ModelEntry, folder: string): Promise<KeptModel | undefined> {
    if ((await stat(folder).catch(() => undefined))?.isDirectory() !== true) return undefined;
    try {
      const store = await FolderStore.open({ root: folder });
      const manifest = await new ModelRepository({ store }).get(entry.name, entry.version);
      if (manifest.status === 'ready') return { entry, manifest, store, isNew: false };
      throw new SconceError('internal', `its manifest says ${manifest.status}`);
    } catch (error) {
      this.#options.logger.warn(
        { err: error, folder, model: entry.name },
        'a kept compilation is damaged: it is made again',
      );
      await rm(folder, { recursive: true, force: true });
      return undefined;
    }
  }

  async #make(entry: ModelEntry, source: Source, folder: string): Promise<KeptModel> {
    const { logger, limits, onProgress = () => undefined } = this.#options;
    const { name, version, path } = entry;
    const cache = dirname(folder);
    const unfinished = join(cache, `${UNFINISHED}${randomUUID()}`);
    try {
      await mkdir(unfinished, { recursive: true, mode: 0o700 });
    } catch (cause) {
      throw new SconceError(
        'storage_unavailable',
        `the compilation cannot be kept in ${cache} (${(cause as Error).message}): give a writable folder with --cache`,
        { cause },
      );
    }
    try {
      onProgress(entry, 'compile');
      const store = await FolderStore.open({ root: unfinished });
      const repository = new ModelRepository({ store });
      const { size, config } = source;
      const received = await repository.receive(name, version, createReadStream(path), { maxBytes: size, config });
      if (received.artifact.sha256 !== source.sha256) {
        throw new SconceError('model_invalid', 'the file changed while it was read: start again when it is complete');
      }
      const registration = new ModelRegistration({ limits, repository, files: new ModelFiles(store), logger });
      this.#registrations.add(registration);
      try {
        await registration.register(received, (stage) => onProgress(entry, stage));
      } finally {
        this.#registrations.delete(registration);
      }
      await publish(unfinished, folder);
    } finally {
      await rm(unfinished, { recursive: true, force: true });
    }
    await this.#removeStale(entry, folder);
    const store = await FolderStore.open({ root: folder });
    const manifest = await new ModelRepository({ store }).get(name, version);
    return { entry, manifest, store, isNew: true };
  }

  /** Beside a model file: removes the results of its earlier content, config and releases. Best effort. */
  async #removeStale({ name, version }: ModelEntry, folder: string): Promise<void> {
    const cache = dirname(folder);
    const prefix = `${name}-${version}-`;
    const isStale = (found: string): boolean => found.startsWith(prefix) && KEY.test(found.slice(prefix.length));
    for (const found of await readdir(cache).catch(() => [])) {
      const path = join(cache, found);
      if (path === folder) continue;
      const isOld = this.#options.cache === undefined && isStale(found);
      if (isOld || (found.startsWith(UNFINISHED) && (await ageMs(path)) > ABANDONED_MS)) {
        await rm(path, { recursive: true, force: true }).catch(() => undefined);
      }
    }
  }
}

interface Source {
  readonly sha256: string;
  readonly size: number;
  readonly config: ModelConfig;
}

async function readSource({ name, path, configPath }: ModelEntry): Promise<Source> {
  const config = configPath === undefined ? {} : await readConfig(configPath, name);
  const hash = createHash('sha256');
  let size = 0;
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
      hash.update(chunk as Uint8Array);
      size += (chunk as Uint8Array).byteLength;
    }
  } catch (cause) {
    throw new SconceError('storage_unavailable', `the file cannot be read: ${(cause as Error).message}`, { cause });
  }
  return { sha256: hash.digest('hex'), size, config };
}

async function readConfig(path: string, name: string): Promise<ModelConfig> {
  const refuse = (why: string, cause?: unknown): SconceError =>
    new SconceError('invalid_request', `its config ${path} ${why}`, { cause });
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw refuse(`cannot be read: ${(cause as Error).message}`, cause);
  });
  if (bytes.byteLength > MAX_CONFIG_BYTES) throw refuse(`is larger than ${MAX_CONFIG_BYTES} bytes`);
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw refuse(`is not JSON: ${(cause as Error).message}`, cause);
  }
  return parseModelConfig(json, { name });
}

/** Gives a complete result its name. If another process was faster, its result is used. */
async function publish(unfinished: string, folder: string): Promise<void> {
  try {
    await rename(unfinished, folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
  }
}

async function ageMs(path: string): Promise<number> {
  return Date.now() - ((await stat(path).catch(() => undefined))?.mtimeMs ?? Date.now());
}

/** The error of a file, with the file's path in its message. */
export function withPath({ path }: ModelEntry, thrown: unknown): SconceError {
  const error = toSconceError(thrown);
  return new SconceError(error.code, `${path}: ${error.message}`, { details: error.details, cause: thrown });
}

async function about<T>(entry: ModelEntry, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    throw withPath(entry, thrown);
  }
}
