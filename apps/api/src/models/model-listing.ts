import type { ListedVersion, Model } from '@sconce/contracts';
import { epochSeconds } from '../http/epoch-seconds.ts';
import { LATEST, toModelVersion, type ModelManifest, type ModelRepository, type ModelState } from '@sconce/models';

/** One model, or one version of it, by the id that lists have: `name` or `name:version`. Throws `model_not_found`. */
export async function listModel(repository: ModelRepository, id: string): Promise<Model> {
  const [name = '', version] = id.split(':', 2);
  // Throws the reason if there is no such version.
  if (version !== undefined) await repository.get(name, version);
  const [manifests, state, usage] = await Promise.all([
    repository.versions(name),
    repository.state(name),
    repository.diskUsage(name),
  ]);
  // No manifest can be read: `get` throws the reason.
  if (manifests.length === 0) await repository.get(name);
  const serving = servingVersion(state, manifests);
  const { bytes = 0, versions } = usage.get(name) ?? {};
  const { quarantined = {}, ...settings } = state;
  const shown = version === undefined ? manifests : manifests.filter((manifest) => manifest.version === version);
  const first = shown.find((manifest) => manifest.version === serving) ?? shown[0];
  return {
    ...openAiModel(id, first?.created_at),
    name,
    ...settings,
    serving: serving ?? null,
    disk_bytes: bytes,
    versions: shown.map((manifest) =>
      listed(manifest, { serving, quarantined, diskBytes: versions?.get(manifest.version) }),
    ),
  };
}

/** Every version of every model: one listing of the store, and one small file per model. */
export async function listVersions(repository: ModelRepository): Promise<readonly ListedVersion[]> {
  const [manifests, usage] = await Promise.all([repository.list(), repository.diskUsage()]);
  const byName = Map.groupBy(manifests, (manifest) => manifest.name);
  const models = [...byName].map(async ([name, versions]) => {
    const state = await repository.state(name);
    const { quarantined = {} } = state;
    const serving = servingVersion(state, versions);
    const bytes = usage.get(name)?.versions;
    return versions.map((manifest) =>
      listed(manifest, { serving, quarantined, diskBytes: bytes?.get(manifest.version) }),
    );
  });
  return (await Promise.all(models)).flat();
}

/** The version that `ModelRepository.get` would return, found in manifests that are sorted by version, lowest first. */
function servingVersion(state: ModelState, manifests: readonly ModelManifest[]): string | undefined {
  if (!state.loaded) return undefined;
  const { default_version: wanted } = state;
  return manifests.findLast(({ status, version }) => status === 'ready' && (wanted === LATEST || version === wanted))
    ?.version;
}

function listed(
  manifest: ModelManifest,
  given: {
    readonly serving: string | undefined;
    readonly quarantined: Readonly<Record<string, string>>;
    readonly diskBytes: number | undefined;
  },
): ListedVersion {
  const { name, version, created_at: createdAt } = manifest;
  const serving = version === given.serving;
  return {
    ...openAiModel(serving ? name : `${name}:${version}`, createdAt),
    ...toModelVersion(manifest),
    serving,
    disk_bytes: given.diskBytes ?? 0,
    quarantined: given.quarantined[version],
  };
}

/** The fields of a model that OpenAI's clients read. @param createdAt ISO 8601. */
function openAiModel(
  id: string,
  createdAt = new Date(0).toISOString(),
): Pick<Model, 'id' | 'object' | 'created' | 'owned_by'> {
  return { id, object: 'model', created: epochSeconds(Date.parse(createdAt)), owned_by: 'sconce' };
}
