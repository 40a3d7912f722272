import { SconceError } from '@sconce/errors';
import type { BlobStore } from '@sconce/storage';
import { z } from 'zod';
import { stateKey } from './model-layout.ts';

const MAX_STATE_BYTES = 4096;

const modelStateSchema = z.strictObject({ schema: z.literal(1), loaded: z.boolean() });

/** `models/<name>/state.json`: whether a model is to be served. No file, or a damaged one, means yes. */
export class LoadedState {
  readonly #store: BlobStore;
  readonly #onCorrupt: (error: SconceError, name: string) => void;

  constructor(store: BlobStore, onCorrupt: (error: SconceError, name: string) => void) {
    this.#store = store;
    this.#onCorrupt = onCorrupt;
  }

  async get(name: string): Promise<boolean> {
    const source = await this.#store.open(stateKey(name));
    if (source === undefined) return true;
    try {
      // One byte too many is enough to make it no JSON of ours.
      const bytes = await source.read(0, Math.min(source.size, MAX_STATE_BYTES));
      return modelStateSchema.parse(JSON.parse(new TextDecoder().decode(bytes))).loaded;
    } catch (error) {
      if (error instanceof SconceError) throw error;
      const message = `the state of model ${name} is damaged, so it counts as loaded: load or unload it to write ${stateKey(name)} anew`;
      this.#onCorrupt(new SconceError('internal', message, { details: { name }, cause: error }), name);
      return true;
    } finally {
      await source.close();
    }
  }

  async set(name: string, loaded: boolean): Promise<void> {
    const bytes = Buffer.from(`${JSON.stringify({ schema: 1, loaded })}\n`);
    await this.#store.put(stateKey(name), bytes, { maxBytes: MAX_STATE_BYTES });
  }

  async delete(name: string): Promise<void> {
    await this.#store.delete(stateKey(name));
  }
}
