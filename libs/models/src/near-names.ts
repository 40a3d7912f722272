/** Up to `limit` of `candidates` that somebody who wrote `wanted` may have meant, best first. */
export function nearNames(wanted: string, candidates: readonly string[], limit = 5): readonly string[] {
  const target = wanted.toLowerCase();
  const far = Math.max(2, Math.ceil(target.length / 3));
  return candidates
    .map((name) => ({ name, distance: distanceOf(target, name.toLowerCase()) }))
    .filter(({ distance }) => distance <= far)
    .sort((left, right) => left.distance - right.distance || (left.name < right.name ? -1 : 1))
    .slice(0, limit)
    .map(({ name }) => name);
}

function distanceOf(wanted: string, name: string): number {
  // `resnet` for `resnet50-v2` is near, however long the rest.
  if (Math.min(wanted.length, name.length) >= 3 && (name.includes(wanted) || wanted.includes(name))) return 1;
  return editDistance(wanted, name);
}

/** Levenshtein's distance. Names have at most 128 characters. */
function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const swap = (row[j - 1] ?? 0) + (left[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[right.length] ?? 0;
}
