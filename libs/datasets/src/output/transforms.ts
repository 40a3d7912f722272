import type { ElementArray } from '../mapping/element-writers.ts';

type Numbers = Exclude<ElementArray, BigInt64Array | BigUint64Array>;

/** Index of the largest of each `width` values: the first one of equal values; NaN counts as the largest, as in PyTorch. */
export function argmax(values: ElementArray, width: number): BigInt64Array {
  const out = new BigInt64Array(width === 0 ? 0 : values.length / width);
  for (let group = 0; group < out.length; group++) {
    let best = group * width;
    for (let at = best + 1; at < (group + 1) * width; at++) if (isLess(values[best], values[at])) best = at;
    out[group] = BigInt(best - group * width);
  }
  return out;
}

/** exp(x - max) / sum for each `width` values, in double precision. */
export function softmax(values: ElementArray, width: number): Float32Array {
  const out = new Float32Array(values.length);
  const numbers = asNumbers(values);
  for (let start = 0; start < numbers.length; start += width) {
    let max = -Infinity;
    for (let at = start; at < start + width; at++) max = Math.max(max, numbers[at] ?? 0);
    let sum = 0;
    for (let at = start; at < start + width; at++) sum += Math.exp((numbers[at] ?? 0) - max);
    for (let at = start; at < start + width; at++) out[at] = Math.exp((numbers[at] ?? 0) - max) / sum;
  }
  return out;
}

/** Indexes of the `k` largest of each `width` values, largest first; of equal values the earlier one comes first. */
export function topK(values: ElementArray, width: number, k: number): BigInt64Array {
  const groups = width === 0 ? 0 : values.length / width;
  const out = new BigInt64Array(groups * k);
  for (let group = 0; group < groups; group++) {
    const start = group * width;
    // k is small, so the best values are kept in order and each value is inserted at its place.
    const best: number[] = [];
    for (let at = start; at < start + width; at++) {
      let place = best.length;
      while (place > 0 && isLess(values[best[place - 1] ?? 0], values[at])) place -= 1;
      if (place >= k) continue;
      best.splice(place, 0, at);
      if (best.length > k) best.pop();
    }
    best.forEach((at, place) => (out[group * k + place] = BigInt(at - start)));
  }
  return out;
}

/** The values at `indices` within each `width` values. */
export function gather(
  values: ElementArray,
  indices: BigInt64Array,
  { width, k }: { width: number; k: number },
): ElementArray {
  const Values = values.constructor as new (length: number) => ElementArray;
  const out = new Values(indices.length);
  for (let at = 0; at < indices.length; at++) {
    const value = values[Math.floor(at / k) * width + Number(indices[at])];
    if (value !== undefined) out[at] = value;
  }
  return out;
}

function isLess(a: number | bigint | undefined, b: number | bigint | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  return a < b || (typeof b === 'number' && Number.isNaN(b) && !Number.isNaN(a));
}

function asNumbers(values: ElementArray): Numbers {
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) return Float64Array.from(values, Number);
  return values;
}
