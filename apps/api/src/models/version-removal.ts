import { Inject, Injectable } from '@nestjs/common';
import { SconceError } from '@sconce/errors';
import { ModelDirectory, ModelRepository, parseModelName, parseModelVersion } from '@sconce/models';
import { InferenceProducer } from '@sconce/queue';

/** A version is in use for this long after a request, because its callers will probably send more. */
const IDLE_MS = 60_000;

/** Removes versions. A version that is in use is removed only with `force`. */
@Injectable()
export class VersionRemoval {
  constructor(
    @Inject(ModelRepository) private readonly repository: ModelRepository,
    @Inject(ModelDirectory) private readonly directory: ModelDirectory,
    @Inject(InferenceProducer) private readonly producer: InferenceProducer,
  ) {}

  /**
   * Removes a version from the store and from every worker. Throws `model_not_found`; without `force`, `version_in_use`
   * with the uses.
   */
  async remove(name: string, version: string, options: { readonly force: boolean }): Promise<void> {
    parseModelName(name);
    parseModelVersion(version);
    if (!options.force) await this.#refuseWhileUsed(name, version);
    // Workers need the manifest to find the files to drop, so they get a notice before the removal. They get another one after it,
    // because a worker may have loaded the version again in between.
    await this.producer.notify({ kind: 'unload', model: name, version });
    await this.repository.remove(name, version, options);
    this.directory.invalidate(name);
    await this.producer.notify({ kind: 'unload', model: name, version });
    await this.producer.forgetVersion(name, version);
  }

  async #refuseWhileUsed(name: string, version: string): Promise<void> {
    const [state, manifest, { unfinishedJobs, lastRequestAtMs = 0 }] = await Promise.all([
      this.repository.state(name),
      this.repository.get(name, version),
      this.producer.usage(name, version),
    ]);
    const uses: string[] = [];
    if (state.default_version === version) uses.push('it is the default version of the model');
    if (unfinishedJobs > 0)
      uses.push(`${unfinishedJobs} of its jobs ${unfinishedJobs === 1 ? 'waits or runs' : 'wait or run'}`);
    const idleMs = Date.now() - lastRequestAtMs;
    // Requests from before the push were for an earlier version with the same number.
    if (idleMs < IDLE_MS && lastRequestAtMs >= Date.parse(manifest.created_at)) {
      uses.push(
        `it had a request ${Math.max(0, Math.round(idleMs / 1_000))} s ago (it counts as used for ${IDLE_MS / 1_000} s)`,
      );
    }
    if (uses.length === 0) return;
    throw new SconceError(
      'version_in_use',
      `Version ${version} of model ${name} is in use: ${uses.join('; ')}. Remove it with force=true to have its requests and jobs fail.`,
      { details: { param: 'version', name, version } },
    );
  }
}
