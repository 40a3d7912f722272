import type { PickleValue } from './pickle-value.ts';

/**
 * Whether a value is nested at most `levels` deep, if each object is visited once. Visits in the order of a recursive reader, but
 * without recursion.
 */
export function isNestedWithin(value: PickleValue, levels: number): boolean {
  const seen = new Set<PickleValue>();
  const pending: PickleValue[] = [value];
  const depths: number[] = [0];
  while (pending.length > 0) {
    const next = pending.pop() as PickleValue;
    const depth = depths.pop() as number;
    if (depth > levels) return false;
    if (seen.has(next)) continue;
    const start = pending.length;
    pushChildren(next, pending);
    if (pending.length === start) continue;
    seen.add(next);
    reverseFrom(pending, start);
    for (let i = start; i < pending.length; i++) depths.push(depth + 1);
  }
  return true;
}

/** Adds the children that may have children. */
function pushChildren(value: PickleValue, pending: PickleValue[]): void {
  if (value === null || typeof value !== 'object') return;
  const push = (child: PickleValue): void => {
    if (child !== null && typeof child === 'object' && child.kind !== 'tensor') pending.push(child);
  };
  switch (value.kind) {
    case 'list':
    case 'tuple':
      value.items.forEach(push);
      return;
    case 'dict':
      for (const [key, item] of value.entries) {
        push(key);
        push(item);
      }
      return;
    case 'object':
      value.attributes.forEach(push);
      if (value.state !== undefined) push(value.state);
      return;
    default:
  }
}

function reverseFrom(items: PickleValue[], start: number): void {
  for (let low = start, high = items.length - 1; low < high; low++, high--) {
    [items[low], items[high]] = [items[high] as PickleValue, items[low] as PickleValue];
  }
}
