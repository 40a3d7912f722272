import type { PickleValue } from './pickle-value.ts';

/**
 * Whether a walk over the value that visits every object once goes at most `levels` deep. Walks in the order in which a
 * recursive reader would, without recursion.
 */
export function isNestedWithin(value: PickleValue, levels: number): boolean {
  const seen = new Set<object>();
  const pending: PickleValue[] = [value];
  const depths: number[] = [0];
  while (pending.length > 0) {
    const next = pending.pop() as PickleValue;
    const depth = depths.pop() as number;
    if (next === null || typeof next !== 'object' || seen.has(next)) continue;
    if (depth > levels) return false;
    seen.add(next);
    const start = pending.length;
    pushChildren(next, pending);
    reverseFrom(pending, start);
    for (let i = start; i < pending.length; i++) depths.push(depth + 1);
  }
  return true;
}

function pushChildren(value: object & PickleValue, pending: PickleValue[]): void {
  const push = (child: PickleValue): void => {
    if (child !== null && typeof child === 'object') pending.push(child);
  };
  switch (value.kind) {
    case 'list':
    case 'tuple':
      return value.items.forEach(push);
    case 'dict':
      return value.entries.forEach(([key, item]) => {
        push(key);
        push(item);
      });
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
