/** What submitting needs to know of a model. */
export interface SubmittableModel {
  readonly name: string;
  /** The version that is served where none was asked for. */
  readonly version: string;
  /** The workers that run it. */
  readonly pool: string;
}

/**
 * Finds the model that a request names. Throws `model_not_found`, `model_not_ready`. The model repository is another library's: whoever
 * makes a producer hands in a way to ask it.
 */
export type ModelLookup = (model: string, version: string | undefined) => Promise<SubmittableModel>;
