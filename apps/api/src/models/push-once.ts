import { createHash } from 'node:crypto';
import { SconceError } from '@sconce/errors';
import type { ModelManifest, ModelRepository } from '@sconce/models';
import {
  checkSameRequest,
  fingerprintOf,
  madeAndRemoved,
  type HeldKey,
  type InferenceProducer,
  type UploadKey,
} from '@sconce/queue';
import type { PushBody } from './push-form.ts';

/** A push with an idempotency key. */
export interface KeyedPush {
  readonly key: UploadKey;
  readonly model: string;
  readonly pool: string | undefined;
  readonly body: Pick<PushBody, 'config' | 'cases'>;
}

/** Pushes with an idempotency key make one version, however often they come. */
export class PushOnce {
  readonly #repository: Pick<ModelRepository, 'get' | 'remove'>;
  readonly #keys: InferenceProducer['uploadKeys'];

  constructor(repository: Pick<ModelRepository, 'get' | 'remove'>, producer: Pick<InferenceProducer, 'uploadKeys'>) {
    this.#repository = repository;
    this.#keys = producer.uploadKeys;
  }

  /** The version that an earlier request with the key made, if its body is the same. Reads the body and does not store it. */
  async made(push: KeyedPush, held: HeldKey, artifact: AsyncIterable<Uint8Array>): Promise<ModelManifest> {
    const hash = createHash('sha256');
    for await (const chunk of artifact) hash.update(chunk);
    checkSameRequest(push.key, held, fingerprintOfPush(push, hash.digest('hex')));
    return this.#version(push, held.id);
  }

  /**
   * Ties the key to a version that has been received. If another request with the key was faster, removes the version and returns the other's.
   * @throws SconceError `idempotency_conflict` if that one was another request; the version is removed then too.
   */
  async settle(push: KeyedPush, received: ModelManifest): Promise<ModelManifest> {
    const { name, version, artifact } = received;
    const fingerprint = fingerprintOfPush(push, artifact.sha256);
    const remove = (): Promise<void> => this.#repository.remove(name, version);
    const id = await this.#keys.settle(push.key, { id: version, fingerprint }).catch(async (error: unknown) => {
      await remove();
      throw error;
    });
    if (id === version) return received;
    await remove();
    return this.#version(push, id);
  }

  async #version({ key, model }: KeyedPush, version: string): Promise<ModelManifest> {
    try {
      return await this.#repository.get(model, version);
    } catch (error) {
      if (error instanceof SconceError && error.code === 'model_not_found') {
        throw madeAndRemoved(key, `version ${version} of ${model}`);
      }
      throw error;
    }
  }
}

function fingerprintOfPush({ pool, body: { config, cases } }: KeyedPush, sha256: string): string {
  return fingerprintOf(JSON.stringify([pool, config, cases && fingerprintOf(cases), sha256]));
}
