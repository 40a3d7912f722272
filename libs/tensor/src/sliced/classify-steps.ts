import { fromBfloat16Bits } from '../bfloat16.ts';
import { encodeBytes } from '../bytes-elements.ts';
import type { Tensor } from '../datatype.ts';
import { compareDescending, requireClasses } from '../oip-classification.ts';
import { elementCount } from '../shape.ts';
import { quote, requestError } from '../tensor-error.ts';
import { viewOf } from '../typed-view.ts';
import type { Steps } from './steps.ts';

/** Classes that are sorted in one step: about a millisecond. */
const RUN_CLASSES = 4_096;
/** Most classes of an answer, of all rows. Each becomes a text. */
const MAX_ANSWERED = 262_144;

/**
 * As `classify`, in steps: parts of a row are sorted, and merged two by two. Throws 'invalid_request' also if the answer would have more than
 * 262,144 classes.
 */
export function* classifySteps(tensor: Tensor, count: number): Steps<Tensor> {
  const { name, datatype, classes } = requireClasses(tensor);
  const view = viewOf({ ...tensor, datatype });
  const valueAt =
    datatype === 'BF16'
      ? (index: number) => fromBfloat16Bits(Number(view[index]))
      : (index: number) => view[index] ?? NaN;
  const kept = Math.min(count, classes);
  const outer = tensor.shape.slice(0, -1);
  const rows = classes === 0 ? 0 : elementCount(outer, name);
  if (rows * kept > MAX_ANSWERED) {
    throw requestError(
      name,
      `output ${quote(name)}: parameters.classification asks for ${rows * kept} classes; expected at most ${MAX_ANSWERED}: ask for fewer classes, or for the values`,
    );
  }
  const elements: string[] = [];
  for (let row = 0, sinceStep = 0; row < rows; row++) {
    const start = row * classes;
    for (const index of yield* best({ start, classes, kept }, valueAt)) {
      elements.push(`${valueAt(start + index)}:${index}`);
    }
    sinceStep += classes;
    if (sinceStep < RUN_CLASSES) continue;
    sinceStep = 0;
    yield;
  }
  return { name, datatype: 'BYTES', shape: [...outer, kept], data: encodeBytes(elements) };
}

interface Row {
  readonly start: number;
  readonly classes: number;
  readonly kept: number;
}

type ValueAt = (index: number) => number | bigint;

/** Indices of the `kept` largest values of a row, the largest first. */
function* best({ start, classes, kept }: Row, valueAt: ValueAt): Steps<readonly number[]> {
  const compare = (a: number, b: number): number => compareDescending(valueAt(start + a), valueAt(start + b));
  // Runs that are waiting to be merged, with their number of merges. As many merges make as many classes.
  const runs: { readonly order: readonly number[]; readonly level: number }[] = [];
  for (let from = 0; from < classes; from += RUN_CLASSES) {
    const length = Math.min(RUN_CLASSES, classes - from);
    const order = Array.from({ length }, (_, index) => from + index);
    runs.push({ order: order.sort(compare).slice(0, kept), level: 0 });
    if (classes > RUN_CLASSES) yield;
    while (runs.length > 1 && runs.at(-1)?.level === runs.at(-2)?.level) yield* mergeLast(runs, { kept, compare });
  }
  while (runs.length > 1) yield* mergeLast(runs, { kept, compare });
  return runs[0]?.order ?? [];
}

/** Merges the last two runs. Of equal values, those of the earlier run come first. */
function* mergeLast(
  runs: { readonly order: readonly number[]; readonly level: number }[],
  { kept, compare }: { readonly kept: number; readonly compare: (a: number, b: number) => number },
): Steps<void> {
  const right = runs.pop()?.order ?? [];
  const { order: left = [], level = 0 } = runs.pop() ?? {};
  const order: number[] = [];
  for (let l = 0, r = 0; order.length < kept && (l < left.length || r < right.length);) {
    const fromLeft = r >= right.length || (l < left.length && compare(left[l] ?? 0, right[r] ?? 0) <= 0);
    order.push((fromLeft ? left[l++] : right[r++]) ?? 0);
    if (order.length % RUN_CLASSES === 0) yield;
  }
  runs.push({ order, level: level + 1 });
}
