import { smallestBudget, type RequestBudget } from '@sconce/contracts';
import { toSconceError, type SconceError } from '@sconce/errors';
import {
  requireRunnable,
  type ModelDirectory,
  type ModelFiles,
  type ModelRepository,
  type ResolvedModel,
} from '@sconce/models';
import { machineLimits, threadsFor } from '@sconce/process';
import {
  FORM_FILES,
  formTarget,
  modelFileKey,
  outputRowBytes,
  type BatchableModel,
  type InferencePool,
  type ModelFile,
  type RuntimeConfig,
} from '@sconce/runtime';
import type { Logger } from '@sconce/telemetry';
import { targetOf, type ModelRegistration } from '../registration/model-registration.ts';

/** Finds what the batcher and the threads need of a model version. */
export type ModelFinder = Pick<ServedModels, 'find'>;

/** What finding models needs. */
export interface ServedModelsOptions {
  readonly directory: Pick<ModelDirectory, 'resolve' | 'invalidate'>;
  readonly repository: Pick<ModelRepository, 'quarantine' | 'versions'>;
  readonly files: Pick<ModelFiles, 'form' | 'path'>;
  readonly pool: Pick<InferencePool, 'unload'>;
  /** Makes the saved form for this kind of machine. */
  readonly registration: Pick<ModelRegistration, 'optimise'>;
  readonly runtime: RuntimeConfig;
  /** What the instance allows each request to need. */
  readonly budget: RequestBudget;
  readonly logger: Logger;
}

/** Finds model versions, chooses the files that threads load, and unloads them. */
export class ServedModels {
  readonly #given: ServedModelsOptions;
  readonly #target = targetOf(formTarget());
  /** Cores of the container. */
  readonly #cores = threadsFor(machineLimits());
  /** Models by the directory's answer: the directory returns the same object while it is fresh. */
  readonly #served = new WeakMap<ResolvedModel, Promise<BatchableModel>>();
  /** Keys of the files that threads may hold, by `name/version`. */
  readonly #fileKeys = new Map<string, Set<string>>();
  /** Uploads whose saved form this process has begun to make. */
  readonly #forms = new Set<string>();

  constructor(options: ServedModelsOptions) {
    this.#given = options;
  }

  /** Throws `model_not_found`, `model_not_ready`. */
  async find(name: string, version: string): Promise<BatchableModel> {
    const resolved = await this.#given.directory.resolve(name, version);
    let served = this.#served.get(resolved);
    if (served === undefined) {
      served = this.#serve(resolved);
      this.#served.set(resolved, served);
      served.catch(() => this.#served.delete(resolved));
    }
    return served;
  }

  /** Puts a version in quarantine. Callers get `why` as the reason. */
  async quarantine(name: string, version: string, why: string): Promise<void> {
    await this.#given.repository.quarantine(name, version, why);
    this.#given.directory.invalidate(name);
  }

  /** Why a version's files were not found when they were to be loaded: `error`, or `storage_unavailable` if the whole store is away. */
  async whyGone(name: string, error: SconceError): Promise<SconceError> {
    this.#given.directory.invalidate(name);
    try {
      await this.#given.repository.versions(name);
      return error;
    } catch (thrown) {
      return toSconceError(thrown);
    }
  }

  /** Frees a model's sessions in every thread. */
  async unload(name: string, version?: string): Promise<void> {
    this.#given.directory.invalidate(name);
    const manifests = version === undefined ? await this.#given.repository.versions(name).catch(() => []) : [];
    const versions = version === undefined ? manifests.map((manifest) => manifest.version) : [version];
    for (const each of versions) {
      for (const key of this.#fileKeys.get(`${name}/${each}`) ?? []) this.#given.pool.unload(key);
      this.#fileKeys.delete(`${name}/${each}`);
    }
  }

  async #serve(resolved: ResolvedModel): Promise<BatchableModel> {
    const manifest = requireRunnable(resolved);
    const { name, version, signature, batch, config, performance } = manifest;
    const axis = batch?.axis ?? 'none';
    const rowInputs = axis === 'none' ? [] : (batch?.inputs ?? signature.inputs.map((input) => input.name));
    const measured = config.max_batch_size ?? performance?.best_rows ?? this.#given.runtime.maxBatchRows;
    const delay = config.dynamic_batching?.max_queue_delay_microseconds;
    // Runs that are spread over ONNX Runtime's threads take several cores.
    const intraOp = this.#intraOpThreads(manifest);
    const { threads } = this.#given.runtime;
    const instances =
      config.instance_group?.[0]?.count ?? (intraOp > 1 ? Math.max(1, Math.floor(threads / intraOp)) : undefined);
    const { json_values, elements, ...budget } = smallestBudget({ instance: this.#given.budget, model: config.budget });
    const maxOutput = budget.output_bytes;
    const need = performance?.run_memory;
    const rowBytes = outputRowBytes(signature.outputs);
    // Runs of several requests stay within the budget of one request, as far as the sizes of rows are known.
    const fitting = rowBytes > 0 && maxOutput !== undefined ? Math.floor(maxOutput.limit / rowBytes) : Infinity;
    const most = Math.max(1, Math.min(measured, fitting));
    const bulk = axis === 'dynamic' && config.max_batch_size === undefined ? bulkRows(performance) : undefined;
    return {
      name,
      version,
      file: await this.#file(resolved, rowInputs),
      signature,
      axis,
      rowInputs: new Set(rowInputs),
      maxBatchRows: axis === 'locked' ? (batch?.size ?? 1) : most,
      bulkRows: bulk === undefined ? undefined : Math.max(1, Math.min(bulk, fitting)),
      measured: performance?.batch_sizes.map(({ rows, latency_ms: latencyMs }) => ({ rows, latencyMs })) ?? [],
      unbounded: manifest.unbounded,
      memory: need && budget.run_memory_bytes && { need, ...budget.run_memory_bytes },
      maxConcurrentRuns: instances,
      maxQueueDelayMs: delay === undefined ? undefined : delay / 1_000,
      inputBudget: { json_values, elements },
      maxOutput,
      outputRowBytes: rowBytes,
    };
  }

  /** ONNX Runtime's threads: from the model's config, else from this worker's setting, else as measured. At most the cores, if not from the setting. */
  #intraOpThreads({ config, performance }: ResolvedModel['manifest']): number {
    const said = config.parameters?.intra_op_thread_count?.string_value;
    const { spread } = performance ?? {};
    const cores = this.#cores;
    if (said !== undefined) return Math.min(Number(said), cores);
    return this.#given.runtime.intraOpThreads ?? (spread?.chosen === true ? Math.min(spread.threads, cores) : 1);
  }

  /** The saved form for this kind of machine, or the compiled model until there is one. */
  async #file(resolved: ResolvedModel, rowInputs: readonly string[]): Promise<ModelFile> {
    const { manifest } = resolved;
    const { name, version, artifact, compiled, check, config, performance } = manifest;
    const form = await this.#given.files.form(manifest, this.#target);
    if (form === undefined && manifest.optimised !== undefined) this.#makeForm(resolved);
    const parts = form?.files ?? [artifact, ...(compiled === undefined ? [] : [compiled])];
    const digests = await Promise.all(
      parts.map(async (part) => ({ path: await this.#given.files.path(manifest, part), sha256: part.sha256 })),
    );
    const main =
      form === undefined ? digests.length - 1 : form.files.findIndex((file) => file.name === FORM_FILES.model);
    const key = modelFileKey({ model: name, version, contentId: form?.id ?? artifact.sha256 });
    this.#remember(`${name}/${version}`, key);
    const sizeBytes = parts.reduce((sum, part) => sum + part.size_bytes, 0);
    // Threads share one mapping of a saved form's weights: each thread counts its part.
    const shared = form === undefined ? sizeBytes : Math.ceil(sizeBytes / this.#given.runtime.threads);
    const warmup = config.model_warmup?.map(({ batch_size: rows, count = 1 }) => ({ rows, count }));
    return {
      model: name,
      version,
      key,
      path: digests[main]?.path ?? '',
      sizeBytes,
      digests,
      budget: smallestBudget({ instance: this.#given.budget, model: config.budget }),
      aloneMs: aloneMs(manifest),
      keepLoaded: resolved.keepLoaded,
      intraOpThreads: this.#intraOpThreads(manifest),
      memoryBytes: shared + (performance?.memory_bytes ?? 0),
      check: check && (await this.#given.files.path(manifest, check)),
      warmup: warmup && { rowInputs, runs: warmup },
    };
  }

  /** Makes the saved form in the background. If that fails, this process does not try again. */
  #makeForm(resolved: ResolvedModel): void {
    const { manifest } = resolved;
    if (this.#forms.has(manifest.upload_id)) return;
    this.#forms.add(manifest.upload_id);
    this.#given.registration.optimise(manifest).then(
      () => {
        this.#served.delete(resolved);
        this.#given.directory.invalidate(manifest.name);
        this.#given.logger.info(
          { model: manifest.name, version: manifest.version, target: this.#target },
          'a saved form was made for this kind of machine',
        );
      },
      (error: unknown) =>
        this.#given.logger.warn(
          { err: error, model: manifest.name },
          'the saved form for this kind of machine could not be made',
        ),
    );
  }

  #remember(version: string, key: string): void {
    const keys = this.#fileKeys.get(version) ?? new Set();
    this.#fileKeys.set(version, keys.add(key));
  }
}

/** Long compared with the fixed cost of a run (about 0.2 ms over all threads), short compared with the wait of an online request. */
const BULK_RUN_MS = 4;
const MAX_BULK_ROWS = 1_024;

/** Rows that run in BULK_RUN_MS at the best measured pace: a power of two, and at least the best number of rows. */
function bulkRows(performance: ResolvedModel['manifest']['performance']): number {
  const best = performance?.best_rows ?? 1;
  const measured = performance?.batch_sizes.find(({ rows }) => rows === best);
  if (measured === undefined || measured.latency_ms <= 0) return best;
  const rows = (best / measured.latency_ms) * BULK_RUN_MS;
  return Math.max(best, Math.min(MAX_BULK_ROWS, 2 ** Math.floor(Math.log2(Math.max(1, rows)))));
}

/** Least time of a run of an unbounded model in the sacrificial process, ms. */
const LEAST_ALONE_MS = 2_000;
/** It is at least so many times the slowest run that registration measured. */
const ALONE_FACTOR = 20;

/** The time that a run of an unbounded model may take alone, if its config sets none, ms. */
function aloneMs({ unbounded, config, performance }: ResolvedModel['manifest']): number | undefined {
  if (unbounded !== true || config.budget?.run_ms !== undefined) return undefined;
  const slowestMs = Math.max(0, ...(performance?.batch_sizes ?? []).map((run) => run.latency_ms));
  return Math.max(LEAST_ALONE_MS, Math.ceil(ALONE_FACTOR * slowestMs));
}
