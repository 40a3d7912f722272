import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import { parseAllDocuments } from 'yaml';
import { parseFormula, type Values } from './formula.ts';
import { HorizontalPodAutoscaler, type HpaSpec } from './hpa.ts';

/** The fields of KEDA's ScaledObject that our manifests use. */
export interface ScaledObject {
  readonly minReplicaCount: number;
  readonly maxReplicaCount: number;
  readonly pollingInterval: number;
  readonly cooldownPeriod: number;
  readonly fallback: {
    readonly failureThreshold: number;
    readonly replicas: number;
    readonly behavior: 'currentReplicasIfHigher';
  };
  readonly advanced: {
    readonly scalingModifiers: {
      readonly formula: string;
      readonly target: string;
      readonly metricType: 'AverageValue' | 'Value';
    };
    readonly horizontalPodAutoscalerConfig: { readonly behavior: NonNullable<HpaSpec['behavior']> };
  };
  readonly triggers: readonly Trigger[];
}

/** The source of a number: the length of a list or a stream in Redis, or a field of a JSON document. */
export type Trigger =
  | { readonly type: 'redis-streams'; readonly name: string; readonly metadata: { readonly stream: string } }
  | { readonly type: 'redis'; readonly name: string; readonly metadata: { readonly listName: string } }
  | {
      readonly type: 'metrics-api';
      readonly name: string;
      readonly metadata: { readonly url: string; readonly valueLocation: string };
    };

/** The ScaledObject of the default pool in `components/keda`. `test/manifests` checks that the overlays use the same rules. */
export function shippedScaledObject(): ScaledObject {
  const file = new URL('../../k8s/components/keda/scaled-object.yaml', import.meta.url);
  const documents = parseAllDocuments(readFileSync(file, 'utf8')).map(
    (document) => document.toJS() as { kind: string; spec: ScaledObject },
  );
  const found = documents.find(({ kind }) => kind === 'ScaledObject');
  if (found === undefined) throw new Error('components/keda has no ScaledObject');
  return found.spec;
}

/** The pods that an autoscaler scales. */
export interface ScaleTarget {
  /** Pods that run or are being created. */
  readonly replicas: number;
  readonly readyReplicas: number;
  scaleTo(replicas: number): void;
}

/** The places that triggers read. */
export interface TriggerSource {
  readonly redis: Redis;
  /** Local address of the host that a metrics-api trigger names. */
  readonly apiMetricsUrl: string;
}

/** Length of a list, set or hash in Redis, as KEDA's scaler counts it. 0 if there is none. */
const LENGTH = `
local kind = redis.call('TYPE', KEYS[1]).ok
local command = ({ list = 'LLEN', zset = 'ZCARD', set = 'SCARD', hash = 'HLEN' })[kind]
return command and redis.call(command, KEYS[1]) or 0`;

/**
 * Reads all triggers. A second of the API is `speed` seconds of the ScaledObject.
 * @throws Error if a trigger cannot be read; KEDA then uses its fallback.
 */
export async function readTriggers(
  { triggers }: ScaledObject,
  { redis, apiMetricsUrl }: TriggerSource,
  speed: number,
): Promise<Values> {
  const read = async (trigger: Trigger): Promise<number> => {
    if (trigger.type === 'redis') return Number(await redis.eval(LENGTH, 1, trigger.metadata.listName));
    if (trigger.type === 'redis-streams') return redis.xlen(trigger.metadata.stream);
    const { url, valueLocation } = trigger.metadata;
    const response = await fetch(`${apiMetricsUrl}${new URL(url).pathname}`, { signal: AbortSignal.timeout(3_000) });
    if (!response.ok) throw new Error(`${url}: ${response.status}`);
    const value = ((await response.json()) as Record<string, unknown>)[valueLocation];
    if (typeof value !== 'number') throw new Error(`${url} has no number at ${valueLocation}`);
    return value * speed;
  };
  return Object.fromEntries(await Promise.all(triggers.map(async (own) => [own.name, await read(own)] as const)));
}

/** One round of the autoscaler. */
export interface ScalingRound {
  readonly atMs: number;
  /** Undefined if the triggers could not be read. */
  readonly metric: number | undefined;
  readonly replicas: number;
  readonly readyReplicas: number;
  readonly wanted: number;
}

export interface AutoscalerOptions {
  readonly scaledObject: ScaledObject;
  readonly source: TriggerSource;
  readonly target: ScaleTarget;
  /** How many times faster than the ScaledObject says every wait, window and period is. */
  readonly speed: number;
  readonly onRound?: (round: ScalingRound) => void;
}

/** How often the HPA controller looks: `--horizontal-pod-autoscaler-sync-period`. */
const HPA_SYNC_SECONDS = 15;

/**
 * KEDA and the HPA that it makes. KEDA itself takes a target from none to one (or the least) as soon as a look every `pollingInterval`
 * finds work, and to none once there has been none for `cooldownPeriod`; between one and the most the HPA decides, every 15 s.
 *
 * States: *running* (constructor) → *closed*.
 */
export class Autoscaler {
  readonly #options: AutoscalerOptions;
  readonly #hpa: HorizontalPodAutoscaler;
  readonly #timers: NodeJS.Timeout[];
  readonly #inFlight = new Set<Promise<void>>();
  #activeAtMs = this.#nowMs();
  #failures = 0;

  constructor(options: AutoscalerOptions) {
    const { scaledObject, speed } = options;
    const { minReplicaCount, maxReplicaCount, advanced, pollingInterval } = scaledObject;
    this.#options = options;
    this.#hpa = new HorizontalPodAutoscaler({
      minReplicas: Math.max(1, minReplicaCount),
      maxReplicas: maxReplicaCount,
      behavior: advanced.horizontalPodAutoscalerConfig.behavior,
    });
    const every = (seconds: number, look: () => Promise<void>): NodeJS.Timeout => {
      let isBusy = false;
      const once = (): void => {
        if (isBusy) return;
        isBusy = true;
        const looking = look().finally(() => {
          isBusy = false;
          this.#inFlight.delete(looking);
        });
        this.#inFlight.add(looking);
      };
      return setInterval(once, (1_000 * seconds) / speed);
    };
    this.#timers = [every(pollingInterval, () => this.#activate()), every(HPA_SYNC_SECONDS, () => this.#scale())];
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all(this.#inFlight);
  }

  /** Time of the ScaledObject: `speed` times as fast as the clock. */
  #nowMs(): number {
    return performance.now() * (this.#options?.speed ?? 1);
  }

  async #read(): Promise<number | undefined> {
    const { scaledObject, source } = this.#options;
    try {
      const values = await readTriggers(scaledObject, source, this.#options.speed);
      this.#failures = 0;
      return parseFormula(scaledObject.advanced.scalingModifiers.formula).compute(values);
    } catch {
      this.#failures += 1;
      return undefined;
    }
  }

  async #activate(): Promise<void> {
    const { scaledObject, target } = this.#options;
    const { minReplicaCount, cooldownPeriod } = scaledObject;
    const metric = await this.#read();
    if (metric === undefined) return;
    const isActive = metric > 0;
    if (isActive) this.#activeAtMs = this.#nowMs();
    if (target.replicas === 0 && isActive) this.#scaleTo(Math.max(1, minReplicaCount), metric);
    else if (target.replicas < minReplicaCount) this.#scaleTo(minReplicaCount, metric);
    else if (target.replicas > 0 && minReplicaCount === 0 && !isActive) {
      if (this.#nowMs() - this.#activeAtMs > cooldownPeriod * 1_000) this.#scaleTo(0, metric);
    }
  }

  async #scale(): Promise<void> {
    const { scaledObject, target } = this.#options;
    const { advanced, fallback } = scaledObject;
    const { target: text, metricType } = advanced.scalingModifiers;
    const metric = await this.#read();
    const { replicas, readyReplicas } = target;
    const wantedOf = Number(text);
    const value = metric ?? this.#fallbackValue(fallback, { replicas, wantedOf });
    const state = { nowMs: this.#nowMs(), replicas, readyReplicas };
    const wanted = this.#hpa.next(
      value === undefined ? undefined : { type: metricType, value, target: wantedOf },
      state,
    );
    this.#scaleTo(wanted, metric);
  }

  /** The value that KEDA uses after it could not read the metric several times in a row. */
  #fallbackValue(
    { failureThreshold, replicas: least }: ScaledObject['fallback'],
    { replicas, wantedOf }: { replicas: number; wantedOf: number },
  ): number | undefined {
    return this.#failures < failureThreshold ? undefined : Math.max(least, replicas) * wantedOf;
  }

  #scaleTo(wanted: number, metric: number | undefined): void {
    const { target, onRound } = this.#options;
    const { replicas, readyReplicas } = target;
    if (wanted !== replicas) target.scaleTo(wanted);
    onRound?.({ atMs: performance.now(), metric, replicas, readyReplicas, wanted });
  }
}
