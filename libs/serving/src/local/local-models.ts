import type { RequestBudget } from '@sconce/contracts';
import { toSconceError, type ErrorCode } from '@sconce/errors';
import { ModelDirectory, ModelFiles, ModelRepository } from '@sconce/models';
import type { InferencePool, RuntimeConfig } from '@sconce/runtime';
import type { Logger } from '@sconce/telemetry';
import { ServedModels } from '../inference/served-models.ts';
import { withPath, type KeptModel, type KeptModels } from '../kept/kept-models.ts';
import type { ModelEntry } from '../kept/model-entry.ts';
import { MountedStore } from '../kept/mounted-store.ts';
import { ModelRegistration } from '../registration/model-registration.ts';
import type { IsolationLimits } from '../registration/isolated-process.ts';

/** Versions do not change while the process lives. */
const DIRECTORY = { ttlMs: 2 ** 31, maxStaleMs: 2 ** 31 } as const;
/** Errors of loading that a damaged file explains. */
const DAMAGE: ReadonlySet<ErrorCode> = new Set(['model_corrupt', 'model_not_found', 'model_invalid', 'internal']);

export interface LocalModelsOptions {
  readonly kept: KeptModels;
  readonly pool: InferencePool;
  readonly runtime: RuntimeConfig;
  /** What the instance allows each request to need. */
  readonly budget: RequestBudget;
  readonly limits: IsolationLimits;
  readonly logger: Logger;
}

/** The models of one process, read from files: a repository that nobody writes to, and what threads load. */
export class LocalModels {
  readonly repository: ModelRepository;
  readonly directory: ModelDirectory;
  readonly served: ServedModels;
  readonly #options: LocalModelsOptions;
  readonly #store = new MountedStore();

  constructor(options: LocalModelsOptions) {
    const { pool, runtime, budget, limits, logger } = options;
    this.#options = options;
    this.repository = new ModelRepository({
      store: this.#store,
      onCorrupt: (error, id) => logger.error({ err: error, ...id }, 'a kept compilation was damaged'),
    });
    const { repository } = this;
    this.directory = new ModelDirectory({ repository, config: DIRECTORY });
    const files = new ModelFiles(this.#store);
    const registration = new ModelRegistration({ limits, repository, files, logger });
    this.served = new ServedModels({
      directory: this.directory,
      repository,
      files,
      pool,
      registration,
      runtime,
      budget,
      logger,
    });
  }

  /**
   * Compiles a file or finds its kept compilation, and loads it in a thread: then requests can be answered at once. A kept compilation
   * that turns out to be damaged is made again.
   * @throws SconceError with the file's path in the message.
   */
  async add(entry: ModelEntry): Promise<KeptModel> {
    const kept = await this.#options.kept.open(entry);
    try {
      await this.#load(kept);
      return kept;
    } catch (thrown) {
      const error = toSconceError(thrown);
      if (kept.isNew || !DAMAGE.has(error.code)) throw withPath(entry, error);
      const made = await this.#options.kept.remake(entry, error);
      await this.#load(made).catch((again: unknown) => {
        throw withPath(entry, again);
      });
      return made;
    }
  }

  async #load({ entry, store }: KeptModel): Promise<void> {
    const { name, version } = entry;
    this.#store.mount(entry, store);
    this.directory.invalidate(name);
    const model = await this.served.find(name, version);
    await this.#options.pool.load(model.file);
  }
}
