import { MODELS, modelNamed, type ModelName } from '../models.ts';
import type { Tensors } from '../events.ts';
import type { PoisonName } from '../poisons.ts';
import type { Draw } from './draw.ts';
import type { BatchStep, ClientPlan, InferStep, JobStep, PlanOptions, PoisonStep, PushStep } from './plan.ts';

/** Owners of keys. `mallory` sends the poison, and good requests too. */
export const OWNERS = ['alice', 'bob', 'mallory'] as const;

/** Average pause between two steps of a client, ms. The load is low on purpose: faults find bugs, load finds the machine's limits. */
const EVERY_MS = { infer: 500, job: 1_600, batch: 9_000, push: 14_000, poison: 2_500 } as const;
/** Deadline of a request, ms, before slack. It leaves time to claim the entry of a dead worker. */
const INFER_TIMEOUT_MS = 15_000;
const MODEL_NAMES = Object.keys(MODELS) as ModelName[];
const MAX_ROWS = 300;

/** What all callers do. */
export function drawClients(draw: Draw, options: PlanOptions): ClientPlan[] {
  const until = options.forMs;
  const clients = OWNERS.flatMap((owner): ClientPlan[] => [
    {
      name: `${owner}-infer`,
      owner,
      steps: draw.times(0, until, EVERY_MS.infer).map((atMs) => inferStep(draw, atMs, options)),
    },
    {
      name: `${owner}-jobs`,
      owner,
      steps: draw
        .times(0, until, EVERY_MS.job)
        .map((atMs, i) => jobStep(draw, atMs, { owner, thing: `job-${owner}-${i}` })),
    },
    {
      name: `${owner}-batches`,
      owner,
      steps: draw.times(0, until, EVERY_MS.batch).map((atMs, i) => batchStep(draw, atMs, `batch-${owner}-${i}`)),
    },
  ]);
  const pushes = draw.times(0, until, EVERY_MS.push).map((atMs, i) => pushStep(draw, atMs, i + 2));
  const poison = options.poisons.length === 0 ? [] : draw.times(0, until, EVERY_MS.poison);
  return [
    ...clients,
    { name: 'alice-pushes', owner: 'alice', steps: pushes },
    {
      name: 'mallory-poison',
      owner: 'mallory',
      steps: poison.map((atMs, i) => poisonStep(draw, { atMs, index: i, poisons: options.poisons })),
    },
  ];
}

function inferStep(draw: Draw, atMs: number, { slack }: PlanOptions): InferStep {
  const model = draw.pick(MODEL_NAMES);
  return {
    do: 'infer',
    atMs,
    model,
    inputs: inputsOf(draw, model),
    binary: draw.chance(0.4),
    timeoutMs: INFER_TIMEOUT_MS * slack,
  };
}

function jobStep(draw: Draw, atMs: number, { owner, thing }: { owner: string; thing: string }): JobStep {
  const model = draw.chance(0.3) ? 'slow' : draw.pick(MODEL_NAMES);
  return {
    do: 'job',
    atMs,
    thing,
    model,
    inputs: inputsOf(draw, model),
    ...(draw.chance(0.4) ? { key: `key-${thing}` } : {}),
    ...(draw.chance(0.15) ? { cancelAfterMs: draw.between(0, 800) } : {}),
    ...(draw.chance(0.2) ? { peek: draw.pick(OWNERS.filter((other) => other !== owner)) } : {}),
  };
}

function batchStep(draw: Draw, atMs: number, thing: string): BatchStep {
  const rows = draw.between(1, MAX_ROWS);
  const all = Array.from({ length: rows }, (_, row) => row);
  return {
    do: 'batch',
    atMs,
    thing,
    inputs: [numbers(draw, 4 * rows, [-1_000, 1_000])],
    badRows: draw.chance(0.5) ? all.filter(() => draw.chance(0.03)) : [],
    ...(draw.chance(0.15) ? { cancelAfterMs: draw.between(0, 2_000) } : {}),
  };
}

function pushStep(draw: Draw, atMs: number, version: number): PushStep {
  // The version before the one before: nobody asks for it any more, but requests under way may.
  const remove = version > 3 && draw.chance(0.5) ? version - 2 : undefined;
  return { do: 'push', atMs, thing: `line-${version}`, version, ...(remove === undefined ? {} : { remove }) };
}

function poisonStep(
  draw: Draw,
  { atMs, index, poisons }: { atMs: number; index: number; poisons: readonly PoisonName[] },
): PoisonStep {
  return { do: 'poison', atMs, thing: `poison-${index}`, poison: draw.pick(poisons), seed: draw.between(0, 2 ** 31) };
}

function inputsOf(draw: Draw, name: ModelName): Tensors {
  const model = modelNamed(name);
  const rows = draw.between(1, model.maxRows);
  return model.inputs.map(({ width }) => numbers(draw, width * rows, model.range));
}

function numbers(draw: Draw, count: number, range: readonly [number, number]): number[] {
  return Array.from({ length: count }, () => draw.between(...range));
}
