import type { RepositoryIndex } from '@sconce/contracts';
import type { ModelManifest, ModelRepository, ModelState } from '@sconce/models';

/** All versions of all models with their states, for the model repository extension. With `ready`, only those that take requests. */
export async function repositoryIndex(
  repository: Pick<ModelRepository, 'list' | 'state'>,
  { ready }: { readonly ready: boolean },
): Promise<RepositoryIndex> {
  const manifests = await repository.list();
  const states = new Map<string, ModelState>();
  for (const { name } of manifests) {
    if (!states.has(name)) states.set(name, await repository.state(name));
  }
  const entries = manifests.map((manifest) => toIndexEntry(manifest, states.get(manifest.name)));
  return ready ? entries.filter((entry) => entry.state === 'READY') : entries;
}

function toIndexEntry(
  { name, version, status, error }: ModelManifest,
  state: ModelState | undefined,
): RepositoryIndex[number] {
  if (status === 'failed') return { name, version, state: 'UNAVAILABLE', reason: error?.message ?? 'failed' };
  if (status !== 'ready') return { name, version, state: 'LOADING', reason: status };
  const quarantined = state?.quarantined?.[version];
  if (quarantined !== undefined) return { name, version, state: 'UNAVAILABLE', reason: `quarantine: ${quarantined}` };
  return state?.loaded === false
    ? { name, version, state: 'UNAVAILABLE', reason: 'unloaded' }
    : { name, version, state: 'READY', reason: '' };
}
