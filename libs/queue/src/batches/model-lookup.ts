/** A model, as far as a submission needs it. */
export interface SubmittableModel {
  readonly name: string;
  /** The requested version, or the served one. */
  readonly version: string;
  /** The workers that run it. */
  readonly pool: string;
}

/**
 * Finds the model of a request. Throws `model_not_found`, `model_not_ready`. The model repository belongs to another library, so the
 * creator of a producer passes this function in.
 */
export type ModelLookup = (model: string, version: string | undefined) => Promise<SubmittableModel>;
