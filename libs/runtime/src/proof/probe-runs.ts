import { SconceError, isRunFailure } from '@sconce/errors';
import type { Tensor } from '@sconce/tensor';
import type { ProvableModel } from './batch-finding.ts';

/** Runs a model on probes and remembers the first error since `forgetFailure`. */
export class ProbeRuns {
  readonly #model: ProvableModel;
  #failed: SconceError | undefined;

  constructor(model: ProvableModel) {
    this.#model = model;
  }

  /** The outputs, or undefined if the model refuses these inputs. */
  async attempt(inputs: readonly Tensor[]): Promise<readonly Tensor[] | undefined> {
    try {
      return await this.#model.run(inputs);
    } catch (error) {
      if (!(error instanceof SconceError) || !isRunFailure(error.code)) throw error;
      this.#failed ??= error;
      return undefined;
    }
  }

  /** How long one run takes, ms. */
  async timeOf(inputs: readonly Tensor[]): Promise<number> {
    const startMs = performance.now();
    await this.attempt(inputs);
    return performance.now() - startMs;
  }

  /** The reason of the first failure. */
  get failure(): string {
    return this.#failed?.message ?? 'no reason is known';
  }

  forgetFailure(): void {
    this.#failed = undefined;
  }
}
