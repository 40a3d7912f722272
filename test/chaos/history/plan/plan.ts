import type { FaultKind } from '../allowances.ts';
import type { Tensors } from '../events.ts';
import type { ModelName } from '../models.ts';
import type { PoisonName } from '../poisons.ts';

/** One request that a client waits for. */
export interface InferStep {
  readonly do: 'infer';
  readonly atMs: number;
  readonly model: ModelName;
  readonly inputs: Tensors;
  /** Whether tensors travel as bytes, in both directions. */
  readonly binary: boolean;
  readonly timeoutMs: number;
}

/** One asynchronous job. The client reads it until it has ended. */
export interface JobStep {
  readonly do: 'job';
  readonly atMs: number;
  readonly thing: string;
  readonly model: ModelName;
  readonly inputs: Tensors;
  /** Idempotency-Key. The client sends the submission again until it is accepted, and once more. */
  readonly key?: string;
  readonly cancelAfterMs?: number;
  /** Another owner who tries to read it. */
  readonly peek?: string;
}

/** One batch of `affine` rows. */
export interface BatchStep {
  readonly do: 'batch';
  readonly atMs: number;
  readonly thing: string;
  readonly inputs: Tensors;
  readonly badRows: readonly number[];
  readonly cancelAfterMs?: number;
}

/** A new version of `line`. It may remove an older one. */
export interface PushStep {
  readonly do: 'push';
  readonly atMs: number;
  readonly thing: string;
  readonly version: number;
  readonly remove?: number;
}

export interface PoisonStep {
  readonly do: 'poison';
  readonly atMs: number;
  readonly thing: string;
  readonly poison: PoisonName;
  /** Seed of its bytes. */
  readonly seed: number;
}

export type Step = InferStep | JobStep | BatchStep | PushStep | PoisonStep;

/** What one caller does. Steps begin at their time, whether or not earlier steps have ended. */
export interface ClientPlan {
  readonly name: string;
  readonly owner: string;
  readonly steps: readonly Step[];
}

export interface FaultPlan {
  readonly id: string;
  readonly kind: FaultKind;
  readonly process?: string;
  readonly atMs: number;
  /** How long the fault lasts. A process that ended is started again after it. */
  readonly forMs: number;
  /** Delay of replies, or the variant of a fault that has several. */
  readonly size: number;
}

/** How the system under test is built. */
export interface SystemPlan {
  readonly redis: 'single' | 'sentinels';
  /** `small`: the blob store is on a file system of its own, if the machine lets us mount one. */
  readonly disk: 'plain' | 'small';
  readonly workers: number;
}

/** Everything that one seed does. It is data: printed, saved, and run again. */
export interface Plan {
  readonly seed: number;
  /** Clients begin steps during this time. */
  readonly forMs: number;
  /** Multiplies all bounds of time. */
  readonly slack: number;
  readonly system: SystemPlan;
  readonly clients: readonly ClientPlan[];
  readonly faults: readonly FaultPlan[];
}

/** What a plan may be drawn from. */
export interface PlanOptions {
  readonly seed: number;
  readonly forMs: number;
  readonly slack: number;
  readonly faults: readonly FaultKind[];
  readonly poisons: readonly PoisonName[];
  /** Fixes the system instead of drawing it. */
  readonly system?: Partial<SystemPlan>;
}
