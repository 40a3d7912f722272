import type { OpKind, Outcome } from './events.ts';

/** Which part of the system a fault needs. */
export type FaultTarget = 'api' | 'worker' | 'redis' | 'store' | 'network';

/** Errors that a fault explains end this long after it, ms, before slack. Delays may last longer (`recoveryMs`). */
export const ERRORS_END_MS = 1_500;

/** What one kind of fault excuses. */
export interface FaultAllowance {
  readonly target: FaultTarget;
  /** Other parts that have no fault at the same time. */
  readonly without?: readonly FaultTarget[];
  /** After this time behind its end nothing is slower any more. It is multiplied by the slack. */
  readonly recoveryMs: number;
  /** Outcomes of well-behaved calls that this fault explains. */
  readonly outcomes: readonly Outcome[];
  /** The calls that it explains them for. Absent: all. */
  readonly calls?: readonly OpKind[];
  /** Whether calls may take longer, and accepted work may end later. */
  readonly delays: boolean;
  /** How the process of the fault may end. */
  readonly exit?: { readonly code: number | null; readonly signal: string | null };
  /** A final state that was not acknowledged by a replica may be lost: the job runs again, and ends the same. */
  readonly rewinds?: boolean;
}

/** Calls that read or write the store. Manifests are read from it too, once they are a second old. */
const STORED: readonly OpKind[] = [
  'infer',
  'job.submit',
  'batch.submit',
  'batch.read',
  'batch.errors',
  'batch.output',
  'version.push',
  'version.read',
  'version.delete',
  'job.result',
];

/**
 * The one table of what a fault allows. Everything else is a violation: an error that no fault of the moment explains, work that failed
 * because of a fault, a process that ended by itself.
 */
export const FAULTS = {
  'kill-api': {
    target: 'api',
    recoveryMs: 1_000,
    outcomes: ['unreachable', 503],
    delays: true,
    exit: { code: null, signal: 'SIGKILL' },
  },
  'stop-api': { target: 'api', recoveryMs: 3_000, outcomes: ['unreachable', 503, 504, 'gave up'], delays: true },
  'drain-api': {
    target: 'api',
    recoveryMs: 1_000,
    outcomes: ['unreachable', 503],
    delays: true,
    exit: { code: 0, signal: null },
  },
  'kill-worker': {
    target: 'worker',
    recoveryMs: 6_000,
    outcomes: [],
    delays: true,
    exit: { code: null, signal: 'SIGKILL' },
  },
  'stop-worker': { target: 'worker', recoveryMs: 15_000, outcomes: [], delays: true },
  'drain-worker': { target: 'worker', recoveryMs: 15_000, outcomes: [], delays: true, exit: { code: 0, signal: null } },
  'kill-redis': {
    target: 'redis',
    recoveryMs: 10_000,
    outcomes: [503],
    delays: true,
    exit: { code: null, signal: 'SIGKILL' },
  },
  'stop-redis': { target: 'redis', recoveryMs: 10_000, outcomes: [503, 504], delays: true },
  'slow-redis': { target: 'redis', recoveryMs: 5_000, outcomes: [503], delays: true },
  'read-only-redis': { target: 'redis', recoveryMs: 10_000, outcomes: [503], delays: true },
  'full-redis': { target: 'redis', recoveryMs: 10_000, outcomes: [503, 429], delays: true },
  failover: { target: 'redis', recoveryMs: 15_000, outcomes: [503], delays: true, rewinds: true },
  // A process that starts while the folder is missing makes an empty store: it cannot know that there was one.
  'store-away': {
    target: 'store',
    without: ['api', 'worker'],
    recoveryMs: 10_000,
    outcomes: [503],
    calls: STORED,
    delays: true,
  },
  'disk-full': { target: 'store', recoveryMs: 10_000, outcomes: [503], calls: STORED, delays: true },
  'late-replies': { target: 'network', recoveryMs: 3_000, outcomes: [], delays: true },
  'cut-connections': { target: 'network', recoveryMs: 10_000, outcomes: [503], delays: true },
} as const satisfies Record<string, FaultAllowance>;

export type FaultKind = keyof typeof FAULTS;

export const FAULT_KINDS = Object.keys(FAULTS) as readonly FaultKind[];

/** A row of the table, as the general type. */
export function allowanceOf(kind: FaultKind): FaultAllowance {
  return FAULTS[kind];
}

/** The parts of the system that have no other fault while this one lasts. */
export function partsOf(kind: FaultKind): readonly FaultTarget[] {
  const { target, without = [] } = allowanceOf(kind);
  return [target, ...without];
}

/** Bounds without any fault. Times are multiplied by the slack, memory is not. */
export const LIMITS = {
  /** An answer to a call, ms. */
  answerMs: {
    health: 1_000,
    infer: 5_000,
    'job.submit': 5_000,
    'job.read': 5_000,
    'job.result': 5_000,
    'job.cancel': 5_000,
    'job.again': 5_000,
    'batch.submit': 10_000,
    'batch.read': 5_000,
    'batch.errors': 10_000,
    'batch.output': 10_000,
    'batch.cancel': 5_000,
    'version.push': 10_000,
    'version.read': 5_000,
    'version.delete': 10_000,
    peek: 5_000,
  } satisfies Record<OpKind, number>,
  /** After its own timeout a request has an answer within this time, ms. */
  afterTimeoutMs: 2_000,
  /** From the acceptance to the end, ms. */
  endsMs: { job: 20_000, batch: 30_000, version: 60_000 },
  /** The limits of the manifests, bytes. */
  memoryBytes: { api: 1024 ** 3, worker: 2 * 1024 ** 3, redis: 1024 ** 3 },
} as const;

/** The kinds of calls that submit something that ends later, and what the thing is. */
export const ACCEPTING = { 'job.submit': 'job', 'batch.submit': 'batch', 'version.push': 'version' } as const;

/** Final states of each kind of thing. */
export const FINAL_STATES = {
  job: ['succeeded', 'failed', 'cancelled'],
  batch: ['completed', 'failed', 'expired', 'cancelled'],
  version: ['ready', 'failed'],
} as const satisfies Record<(typeof ACCEPTING)[keyof typeof ACCEPTING], readonly string[]>;

export type ThingKind = keyof typeof FINAL_STATES;
