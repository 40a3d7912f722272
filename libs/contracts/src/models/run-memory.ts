import * as z from 'zod';
import { overBudget, type BudgetLimit } from '@sconce/errors';
import type { DeepReadonly } from '../deep-readonly.ts';
import type { BatchAxis } from './model-batch.ts';

const axisSchema = z.strictObject({ input: z.string(), axis: z.int().min(0) });

/** How the memory of a run grows with one size of its inputs. */
const growthSchema = z.strictObject({
  axes: z.array(axisSchema).min(1).describe('Axes of inputs that have this size together.'),
  rows: z.boolean().describe('Whether the size is the number of rows.'),
  size: z.int().positive().describe('The size at which `bytes` was measured.'),
  largest: z.int().positive().describe('The largest size that was measured.'),
  factor: z
    .array(z.number())
    .length(3)
    .describe('a, b, c of the factor a + b·u + c·u² on `bytes`, where u is the size divided by `size`.'),
});

/** Memory that a run needs besides the model, as registration measured it. */
export const runMemorySchema = z
  .strictObject({
    bytes: z.number().min(0).describe('Memory of a run at the sizes below.'),
    growth: z
      .array(growthSchema)
      .describe('One entry for each size that is free. The factors of all of them multiply.'),
  })
  .meta({ id: 'RunMemory', description: 'Memory that a run needs besides the model, by the sizes of its inputs.' });

export type RunMemory = DeepReadonly<z.infer<typeof runMemorySchema>>;

/** The shapes of a request's inputs. */
export type InputShapes = readonly { readonly name: string; readonly shape: readonly number[] }[];

/** Memory that a run needs, bytes. @param rows rows of the run; without it those of the inputs. */
export function runMemoryOf({ bytes, growth }: RunMemory, inputs: InputShapes, rows?: number): number {
  let need = bytes;
  for (const one of growth) need *= factorOf(one, one.rows && rows !== undefined ? rows : sizeOf(one, inputs));
  return need;
}

/** The largest number of rows of these inputs that a run has memory for: 0 if not even one fits, Infinity if rows need none. */
function rowsThatFit(memory: RunMemory, inputs: InputShapes, limitBytes: number): number {
  if (runMemoryOf(memory, inputs, 1) > limitBytes) return 0;
  const growth = memory.growth.find(({ rows }) => rows);
  if (growth === undefined) return Infinity;
  const [, b = 0, c = 0] = growth.factor;
  if (b <= 0 && c <= 0) return Infinity;
  let low = 1;
  let high = 2;
  while (high < Number.MAX_SAFE_INTEGER && runMemoryOf(memory, inputs, high) <= limitBytes) {
    low = high;
    high *= 2;
  }
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (runMemoryOf(memory, inputs, middle) <= limitBytes) low = middle;
    else high = middle;
  }
  return low;
}

/** The arithmetic of `runMemoryOf`, for people: "4.0 MiB measured at x[axis 1] = 512, times 3433 for 30000". */
export function explainRunMemory({ bytes, growth }: RunMemory, inputs: InputShapes, rows?: number): string {
  const parts = growth.flatMap((one) => {
    const size = one.rows && rows !== undefined ? rows : sizeOf(one, inputs);
    const names = one.axes.map(({ input, axis }) => `${input}[axis ${axis}]`).join(' and ');
    return [`times ${Number(factorOf(one, size).toPrecision(4))} for ${names} = ${size}, measured at ${one.size}`];
  });
  return [`${(bytes / 1024 ** 2).toFixed(1)} MiB`, ...parts].join(', ');
}

/** What a run may need of memory. */
export interface RunMemoryLimit extends BudgetLimit {
  readonly need: RunMemory;
}

/**
 * The most rows of a request that one run has memory for. Only rows of a dynamic axis run in pieces; for any other request it is Infinity.
 * @throws SconceError `over_budget` if the request cannot run at all, with the arithmetic.
 */
export function rowsForMemory(
  { need, limit, setting }: RunMemoryLimit,
  { axis, inputs }: { readonly axis: BatchAxis; readonly inputs: InputShapes },
): number {
  const least = axis === 'dynamic' ? 1 : undefined;
  const value = Math.ceil(runMemoryOf(need, inputs, least));
  if (value <= limit) return axis === 'dynamic' ? rowsThatFit(need, inputs, limit) : Infinity;
  throw overBudget({
    field: 'run_memory_bytes',
    limit,
    value,
    setting,
    because: explainRunMemory(need, inputs, least),
  });
}

type Growth = RunMemory['growth'][number];

function factorOf({ factor: [a = 0, b = 0, c = 0], size }: Growth, now: number): number {
  const u = now / size;
  return a + b * u + c * u * u;
}

function sizeOf({ axes }: Growth, inputs: InputShapes): number {
  let size = 0;
  for (const { input, axis } of axes) {
    const shape = inputs.find(({ name }) => name === input)?.shape;
    size = Math.max(size, shape?.[axis] ?? 0);
  }
  return size;
}
