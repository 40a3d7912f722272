import { compareVersions, parseModelName, parseModelVersion } from './model-name.ts';

/** Prefix of all keys of models. */
export const MODELS_PREFIX = 'models/';

/** Prefix of all keys of one model. */
export function modelPrefix(name: string): string {
  return `${MODELS_PREFIX}${name}/`;
}

/** Prefix of all keys of one version. */
export function versionPrefix(name: string, version: string): string {
  return `${modelPrefix(name)}${version}/`;
}

export function manifestKey(name: string, version: string): string {
  return `${versionPrefix(name, version)}manifest.json`;
}

/** Prefix of the files of one upload: its artifact, the compiled graph, its saved forms. */
export function uploadPrefix(name: string, version: string, uploadId: string): string {
  return `${versionPrefix(name, version)}${uploadId}/`;
}

/** Key of the claim to replace the upload `uploadId`. Only one upload can write it. */
export function takeoverKey(name: string, version: string, uploadId: string): string {
  return `${versionPrefix(name, version)}takeover-${uploadId}.json`;
}

export function stateKey(name: string): string {
  return `${modelPrefix(name)}state.json`;
}

/** The model and version whose manifest has this key; undefined for every other key. */
export function parseManifestKey(key: string): { readonly name: string; readonly version: string } | undefined {
  const [models, name, version, file, ...rest] = key.split('/');
  if (models !== 'models' || name === undefined || version === undefined || file !== 'manifest.json') return undefined;
  if (rest.length > 0) return undefined;
  try {
    return { name: parseModelName(name), version: parseModelVersion(version) };
  } catch {
    return undefined; // A folder that was made by hand.
  }
}

/** By name, then by version as a number. */
export function compareIds(
  left: { readonly name: string; readonly version: string },
  right: { readonly name: string; readonly version: string },
): number {
  if (left.name !== right.name) return left.name < right.name ? -1 : 1;
  return compareVersions(left.version, right.version);
}
