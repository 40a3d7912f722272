/**
 * The algorithm of Kubernetes' HorizontalPodAutoscaler (autoscaling/v2) for one external metric, written after its
 * documentation and source: ratio with tolerance, stabilisation windows, policies. It needs no cluster and no clock: the
 * caller gives the time.
 */

export interface ScalingPolicy {
  readonly type: 'Pods' | 'Percent';
  readonly value: number;
  readonly periodSeconds: number;
}

export interface ScalingRules {
  readonly stabilizationWindowSeconds?: number;
  readonly selectPolicy?: 'Max' | 'Min' | 'Disabled';
  readonly policies?: readonly ScalingPolicy[];
}

export interface HpaSpec {
  readonly minReplicas: number;
  readonly maxReplicas: number;
  readonly behavior?: { readonly scaleUp?: ScalingRules; readonly scaleDown?: ScalingRules };
}

/** A metric's value and its target: for all pods together (`Value`), or for each pod (`AverageValue`). */
export interface HpaMetric {
  readonly type: 'Value' | 'AverageValue';
  readonly value: number;
  readonly target: number;
}

/** The pods at one time. */
export interface HpaState {
  readonly nowMs: number;
  /** Pods that run or are being created. */
  readonly replicas: number;
  readonly readyReplicas: number;
}

const TOLERANCE = 0.1;

/** The defaults of Kubernetes. */
const DEFAULT_UP: Required<ScalingRules> = {
  stabilizationWindowSeconds: 0,
  selectPolicy: 'Max',
  policies: [
    { type: 'Percent', value: 100, periodSeconds: 15 },
    { type: 'Pods', value: 4, periodSeconds: 15 },
  ],
};
const DEFAULT_DOWN: Required<ScalingRules> = {
  stabilizationWindowSeconds: 300,
  selectPolicy: 'Max',
  policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }],
};

/** The pods that the metric asks for, before the scaling rules. */
export function replicasFor({ type, value, target }: HpaMetric, { replicas, readyReplicas }: HpaState): number {
  if (type === 'AverageValue') {
    if (replicas > 0 && Math.abs(1 - value / (target * replicas)) <= TOLERANCE) return replicas;
    return Math.ceil(value / target);
  }
  const ratio = value / target;
  if (replicas === 0) return Math.ceil(ratio);
  if (Math.abs(1 - ratio) <= TOLERANCE) return replicas;
  // Only ready pods count: starting pods have not changed the metric yet.
  return Math.ceil(ratio * readyReplicas);
}

interface Change {
  readonly atMs: number;
  readonly by: number;
}

/**
 * One autoscaler, with its latest recommendations and changes. `next` runs one round. Without a metric (it could not be
 * read) the pods stay as they are.
 */
export class HorizontalPodAutoscaler {
  readonly #spec: HpaSpec;
  readonly #up: Required<ScalingRules>;
  readonly #down: Required<ScalingRules>;
  #recommended: { readonly atMs: number; readonly replicas: number }[] = [];
  #ups: Change[] = [];
  #downs: Change[] = [];

  constructor(spec: HpaSpec) {
    this.#spec = spec;
    this.#up = { ...DEFAULT_UP, ...spec.behavior?.scaleUp };
    this.#down = { ...DEFAULT_DOWN, ...spec.behavior?.scaleDown };
  }

  /** The number of pods from now on. With no pods at all it stays at 0. */
  next(metric: HpaMetric | undefined, state: HpaState): number {
    const { minReplicas, maxReplicas } = this.#spec;
    const { replicas, nowMs } = state;
    if (replicas === 0) return 0;
    let wanted: number;
    if (replicas > maxReplicas) wanted = maxReplicas;
    else if (replicas < minReplicas) wanted = minReplicas;
    else if (metric === undefined) return replicas;
    else wanted = this.#limit(this.#stabilise(replicasFor(metric, state), state), state);
    if (wanted > replicas) this.#ups.push({ atMs: nowMs, by: wanted - replicas });
    if (wanted < replicas) this.#downs.push({ atMs: nowMs, by: replicas - wanted });
    return wanted;
  }

  /** Up: at most the lowest recommendation within its window. Down: at least the highest one within its window. */
  #stabilise(recommendation: number, { nowMs, replicas }: HpaState): number {
    const [upFrom, downFrom] = [this.#up, this.#down].map((rules) => nowMs - rules.stabilizationWindowSeconds * 1_000);
    let least = recommendation;
    let most = recommendation;
    for (const { atMs, replicas: earlier } of this.#recommended) {
      if (atMs > (upFrom ?? 0)) least = Math.min(least, earlier);
      if (atMs > (downFrom ?? 0)) most = Math.max(most, earlier);
    }
    const oldest = Math.min(upFrom ?? 0, downFrom ?? 0);
    this.#recommended = this.#recommended.filter(({ atMs }) => atMs > oldest);
    this.#recommended.push({ atMs: nowMs, replicas: recommendation });
    return Math.min(Math.max(replicas, least), most);
  }

  #limit(wanted: number, { nowMs, replicas }: HpaState): number {
    const { minReplicas, maxReplicas } = this.#spec;
    const bounded = Math.min(maxReplicas, Math.max(minReplicas, wanted));
    if (bounded > replicas) return Math.min(bounded, Math.max(replicas, this.#mostUp(nowMs, replicas)));
    if (bounded < replicas) return Math.max(bounded, Math.min(replicas, this.#leastDown(nowMs, replicas)));
    return bounded;
  }

  #mostUp(nowMs: number, replicas: number): number {
    const { selectPolicy, policies } = this.#up;
    if (selectPolicy === 'Disabled') return replicas;
    const proposed = policies.map(({ type, value, periodSeconds }) => {
      const before = this.#atStart(nowMs, replicas, periodSeconds);
      return type === 'Pods' ? before + value : Math.ceil(before * (1 + value / 100));
    });
    return selectPolicy === 'Min' ? Math.min(...proposed) : Math.max(...proposed);
  }

  #leastDown(nowMs: number, replicas: number): number {
    const { selectPolicy, policies } = this.#down;
    if (selectPolicy === 'Disabled') return replicas;
    const proposed = policies.map(({ type, value, periodSeconds }) => {
      const before = this.#atStart(nowMs, replicas, periodSeconds);
      return type === 'Pods' ? before - value : Math.floor(before * (1 - value / 100));
    });
    // The policy with the largest change leaves the fewest pods.
    return selectPolicy === 'Min' ? Math.max(...proposed) : Math.min(...proposed);
  }

  /** Pods at the start of the period. */
  #atStart(nowMs: number, replicas: number, periodSeconds: number): number {
    const since = nowMs - periodSeconds * 1_000;
    const sum = (changes: readonly Change[]): number =>
      changes.filter(({ atMs }) => atMs > since).reduce((total, { by }) => total + by, 0);
    return replicas - sum(this.#ups) + sum(this.#downs);
  }
}
