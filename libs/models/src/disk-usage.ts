import type { BlobStore } from '@sconce/storage';
import { MODELS_PREFIX, modelPrefix } from './model-layout.ts';

/** Bytes that a model's versions take in the store. */
export interface DiskUsage {
  /** Of all its versions. */
  readonly bytes: number;
  /** By version: artifact, cases, compiled graph, saved forms, manifest and unfinished uploads. */
  readonly versions: ReadonlyMap<string, number>;
}

/** Adds up the files of every version, of one model or of all models, with one listing of the store. */
export async function readDiskUsage(store: BlobStore, name?: string): Promise<ReadonlyMap<string, DiskUsage>> {
  const models = new Map<string, { bytes: number; versions: Map<string, number> }>();
  for await (const { key, sizeBytes } of store.list(name === undefined ? MODELS_PREFIX : modelPrefix(name))) {
    const [model, version, file] = key.slice(MODELS_PREFIX.length).split('/');
    // `<name>/state.json` belongs to no version.
    if (model === undefined || version === undefined || file === undefined) continue;
    let usage = models.get(model);
    if (usage === undefined) {
      usage = { bytes: 0, versions: new Map() };
      models.set(model, usage);
    }
    usage.bytes += sizeBytes;
    usage.versions.set(version, (usage.versions.get(version) ?? 0) + sizeBytes);
  }
  return models;
}
