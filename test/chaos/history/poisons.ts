import type { Outcome } from './events.ts';
import type { ModelName } from './models.ts';

/** What the caller of a poison input gets, and what it may cost. Nobody else may notice it. */
export interface Poison {
  readonly model: ModelName;
  readonly outcomes: readonly Outcome[];
  /** The input may end this many workers. */
  readonly workerExits: number;
  /** Drawn unless `--without` names it. The others are drawn if `--with` names them. */
  readonly byDefault: boolean;
}

const refused: Poison = { model: 'affine', outcomes: [400, 413, 422], workerExits: 0, byDefault: true };

/** The inputs that clients send beside their good ones, by name. */
export const POISONS = {
  'wrong-shape': refused,
  'hostile-json': refused,
  'deep-json': refused,
  'many-values': refused,
  'huge-shape': refused,
  'index-out-of-range': { ...refused, model: 'lookup', outcomes: [400, 422] },
  'damaged-csv': { ...refused, outcomes: [200, 202, 400, 422] },
  'damaged-arrow': { ...refused, outcomes: [200, 202, 400, 422] },
  'damaged-parquet': { ...refused, outcomes: [200, 202, 400, 422] },
  'damaged-gzip': { ...refused, outcomes: [200, 202, 400, 422] },
  'damaged-npy': { ...refused, outcomes: [200, 202, 400, 422] },
  'slow-pattern': { ...refused, outcomes: [200, 202, 400, 422] },
  'endless-loop': { model: 'slow', outcomes: [400, 422, 503, 504], workerExits: 1, byDefault: false },
} as const satisfies Record<string, Poison>;

export type PoisonName = keyof typeof POISONS;

export const POISON_NAMES = Object.keys(POISONS) as readonly PoisonName[];

/** A row of the table; undefined for an unknown name. */
export function poisonNamed(name: string): Poison | undefined {
  return Object.entries(POISONS).find(([own]) => own === name)?.[1];
}
