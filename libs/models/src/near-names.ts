import { distance as editDistance } from 'fastest-levenshtein';

/** The names among `candidates` that are most like `wanted`: at most `limit`, the nearest first. */
export function nearNames(wanted: string, candidates: readonly string[], limit = 5): readonly string[] {
  const target = wanted.toLowerCase();
  const maxDistance = Math.max(2, Math.ceil(target.length / 3));
  return candidates
    .map((name) => ({ name, distance: distanceOf(target, name.toLowerCase()) }))
    .filter(({ distance }) => distance <= maxDistance)
    .sort((left, right) => left.distance - right.distance || (left.name < right.name ? -1 : 1))
    .slice(0, limit)
    .map(({ name }) => name);
}

function distanceOf(wanted: string, name: string): number {
  // `resnet` is near `resnet50-v2`, although most of that name is missing.
  if (Math.min(wanted.length, name.length) >= 3 && (name.includes(wanted) || wanted.includes(name))) return 1;
  return editDistance(wanted, name);
}
