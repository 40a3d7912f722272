import { ModelDirectory, ModelRepository, requireRunnable, type ReadyManifest } from '@sconce/models';
import {
  BatchProducer,
  InferenceProducer,
  queueConfigSchema,
  requestFor,
  type BatchRecord,
  type BatchRequestInput,
  type TraceContext,
} from '@sconce/queue';
import { openBlobStore, type BlobBody, type BlobStore } from '@sconce/storage';
import type { Tensor } from '@sconce/tensor';

/** Where Redis and the blob store are, which API and workers share. */
export interface ScoringServiceOptions {
  readonly redisUrl: string;
  /** Folder of the blob store, or `s3://bucket/prefix`. */
  readonly data: string;
  readonly onError: (error: Error) => void;
}

/**
 * A service that submits work without HTTP: it uses Redis and the blob store as the API does. Its requests are checked as the API checks
 * them, go through the same queues, and are part of the same trace. No API process has to run.
 */
export class ScoringService {
  readonly #models: ModelDirectory;
  readonly #jobs: InferenceProducer;
  readonly #batches: BatchProducer;

  private constructor(store: BlobStore, { redisUrl, onError }: ScoringServiceOptions) {
    const config = queueConfigSchema.parse({ redisUrl });
    this.#models = new ModelDirectory({ repository: new ModelRepository({ store }) });
    this.#jobs = new InferenceProducer(config, { onError });
    this.#batches = new BatchProducer({
      config,
      store,
      models: (model, version) => this.#model(model, version),
      maxFileBytes: 10 * 1024 ** 3,
      onError,
    });
  }

  static async open(options: ScoringServiceOptions): Promise<ScoringService> {
    return new ScoringService(await openBlobStore({ root: options.data }), options);
  }

  /** Submits some rows as an asynchronous job. @throws SconceError `invalid_tensor`, `model_not_found`, `queue_full`, …. */
  async submitJob(model: string, inputs: readonly Tensor[], trace?: TraceContext): Promise<string> {
    const request = requestFor(await this.#model(model, undefined), {
      inputs,
      trace,
    });
    return (await this.#jobs.submit(request, { lane: 'batch' })).id;
  }

  /** The outputs of a job; undefined while it has not ended. @throws the error of a failed job. */
  async resultOf(jobId: string): Promise<readonly Tensor[] | undefined> {
    const job = await this.#jobs.job(jobId);
    if (job.error !== undefined) throw new Error(job.error.message);
    return job.status === 'succeeded' ? this.#jobs.result(jobId) : undefined;
  }

  /** Stores a dataset and has it scored. @throws SconceError `invalid_request`, `model_not_found`, `queue_full`, …. */
  async scoreDataset(
    request: Omit<BatchRequestInput, 'input_file_id'>,
    dataset: BlobBody,
    options: { readonly filename: string; readonly trace?: TraceContext },
  ): Promise<BatchRecord> {
    const { filename, trace } = options;
    await this.#batches.check(request);
    const file = await this.#batches.createFile(dataset, () => ({ filename, purpose: 'batch' }));
    return this.#batches.submit({ ...request, input_file_id: file.id }, { trace });
  }

  /** A batch as it is now. @throws SconceError `batch_not_found`. */
  async batch(id: string): Promise<BatchRecord> {
    return this.#batches.batch(id);
  }

  async close(): Promise<void> {
    await Promise.all([this.#jobs.close(), this.#batches.close()]);
  }

  async #model(name: string, version: string | undefined): Promise<ReadyManifest> {
    return requireRunnable(await this.#models.resolve(name, version));
  }
}
