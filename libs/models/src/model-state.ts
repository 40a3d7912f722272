import { SconceError } from '@sconce/errors';
import type { BlobStore } from '@sconce/storage';
import * as z from 'zod';
import { stateKey } from './model-layout.ts';
import { MAX_MODEL_VERSION } from './model-name.ts';
import { stored } from './stored-schema.ts';

const MAX_STATE_BYTES = 4096;

/** The default version that follows pushes: the highest version that is ready. */
export const LATEST = 'latest';

/** The settings of a model, for all its versions. */
export interface ModelState {
  /** Whether the model is served. */
  readonly loaded: boolean;
  /** The version that requests without a version get: `latest`, or the number of one. */
  readonly default_version: string;
  /** Whether threads that hold the model keep it when other models need room. */
  readonly keep_loaded: boolean;
  /** Versions in quarantine, and why. Loading the model ends their quarantine. */
  readonly quarantined?: Readonly<Record<string, string>>;
}

/** The state of a new model. */
const INITIAL: ModelState = { loaded: true, default_version: LATEST, keep_loaded: false };

const modelStateSchema = stored(
  z.strictObject({
    schema: z.literal(1),
    loaded: z.boolean(),
    // Older files have only `loaded`.
    default_version: z
      .string()
      .refine((text) => text === LATEST || (/^[1-9][0-9]*$/.test(text) && Number(text) <= MAX_MODEL_VERSION))
      .default(INITIAL.default_version),
    keep_loaded: z.boolean().default(INITIAL.keep_loaded),
    quarantined: z.record(z.string(), z.string()).optional(),
  }),
);

/**
 * Reads and writes `models/<name>/state.json`. A model without this file, or with a damaged one, is loaded, serves its latest
 * version and is not kept.
 */
export class ModelStates {
  readonly #store: BlobStore;
  readonly #onCorrupt: (error: SconceError, name: string) => void;

  constructor(store: BlobStore, onCorrupt: (error: SconceError, name: string) => void) {
    this.#store = store;
    this.#onCorrupt = onCorrupt;
  }

  async get(name: string): Promise<ModelState> {
    const source = await this.#store.open(stateKey(name));
    if (source === undefined) return INITIAL;
    try {
      // A longer file is cut off, and is then not valid JSON.
      const bytes = await source.read(0, Math.min(source.size, MAX_STATE_BYTES));
      const { loaded, default_version, keep_loaded, quarantined } = modelStateSchema.parse(
        JSON.parse(new TextDecoder().decode(bytes)),
      );
      // Absent, not undefined, if there is none.
      return { loaded, default_version, keep_loaded, ...(quarantined === undefined ? {} : { quarantined }) };
    } catch (error) {
      if (error instanceof SconceError) throw error;
      const message =
        `the state of model ${name} is damaged, so it counts as loaded and serves its latest version: ` +
        `set its default version, or load or unload it, to write ${stateKey(name)} anew`;
      this.#onCorrupt(new SconceError('internal', message, { details: { name }, cause: error }), name);
      return INITIAL;
    } finally {
      await source.close();
    }
  }

  async set(name: string, state: ModelState): Promise<void> {
    const bytes = Buffer.from(`${JSON.stringify({ schema: 1, ...state })}\n`);
    await this.#store.put(stateKey(name), bytes, { maxBytes: MAX_STATE_BYTES });
  }

  async delete(name: string): Promise<void> {
    await this.#store.delete(stateKey(name));
  }
}
