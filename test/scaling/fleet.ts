import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { METRICS } from '@sconce/telemetry';
import { startProduct, type ProductProcess } from '../support/product-process.ts';
import type { ScaleTarget } from './keda.ts';

/** Longer than a worker's own grace period: `terminationGracePeriodSeconds`. */
const KILL_MS = 45_000;
/** Where control groups of version 1 limit CPU. */
const CPU_GROUPS = '/sys/fs/cgroup/cpu';
/** Short: a small share then comes in many pieces, as of a slower CPU. */
const CPU_PERIOD_US = 20_000;

export interface FleetOptions {
  readonly env: Readonly<Record<string, string>>;
  /** From a pod's creation to the start of its process: the node is found, the image is there. The process's own start comes on top. */
  readonly startUpMs: number;
  /**
   * Which pod goes first, as a ReplicaSet chooses among those that are ready: `idle`, the one whose deletion costs least (what workers write to
   * `controller.kubernetes.io/pod-deletion-cost`), or `random`, where nothing tells them apart.
   */
  readonly victim: 'idle' | 'random';
  readonly random: () => number;
  /** CPUs that each worker gets, as soon as it is ready: by a control group, of which this user must be able to make some. */
  readonly cpus?: number;
}

interface Pod {
  readonly name: string;
  readonly createdMs: number;
  readyMs?: number;
  stoppingMs?: number;
  endedMs?: number;
  process?: ProductProcess;
  metricsUrl?: string;
  readonly abort: AbortController;
}

/** How many there were, from some time on. */
export interface Count {
  readonly atMs: number;
  readonly replicas: number;
  readonly readyReplicas: number;
}

/** A worker Deployment without a cluster: each pod is a worker process of its own. What it cannot do (schedule, pull) is a wait. */
export class Fleet implements ScaleTarget {
  readonly #options: FleetOptions;
  readonly #pods: Pod[] = [];
  readonly #ends: Promise<void>[] = [];
  readonly #counts: Count[] = [];
  readonly #exits: (number | null)[] = [];
  #made = 0;

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#note();
  }

  get replicas(): number {
    return this.#pods.filter(({ stoppingMs }) => stoppingMs === undefined).length;
  }

  get readyReplicas(): number {
    return this.#pods.filter(({ readyMs, stoppingMs }) => readyMs !== undefined && stoppingMs === undefined).length;
  }

  /** How many there were over time. */
  get counts(): readonly Count[] {
    return this.#counts;
  }

  /** Exit codes of those that ended once they had begun. */
  get exits(): readonly (number | null)[] {
    return this.#exits;
  }

  scaleTo(replicas: number): void {
    for (let missing = replicas - this.replicas; missing > 0; missing--) this.#create();
    const tooMany = this.replicas - replicas;
    if (tooMany > 0) this.#ends.push(this.#remove(tooMany));
  }

  /** Stops all and waits until they have ended. */
  async close(): Promise<void> {
    for (const pod of this.#pods) if (pod.stoppingMs === undefined) this.#ends.push(this.#stop(pod));
    for (let end = this.#ends.pop(); end !== undefined; end = this.#ends.pop()) await end;
  }

  #create(): void {
    const pod: Pod = { name: `pod-${this.#made++}`, createdMs: performance.now(), abort: new AbortController() };
    this.#pods.push(pod);
    this.#note();
    this.#ends.push(this.#run(pod));
  }

  async #run(pod: Pod): Promise<void> {
    const { startUpMs, env, cpus } = this.#options;
    try {
      await sleep(startUpMs, undefined, { signal: pod.abort.signal });
    } catch {
      this.#ended(pod);
      return;
    }
    pod.process = startProduct('worker', env);
    const { ready, exited, child } = pod.process;
    const group = `${CPU_GROUPS}/sconce-${process.pid}-${pod.name}`;
    try {
      pod.metricsUrl = (await ready).metricsUrl;
      if (cpus !== undefined) {
        mkdirSync(group);
        writeFileSync(`${group}/cpu.cfs_period_us`, String(CPU_PERIOD_US));
        writeFileSync(`${group}/cpu.cfs_quota_us`, String(Math.round(cpus * CPU_PERIOD_US)));
        writeFileSync(`${group}/cgroup.procs`, String(child.pid));
      }
      pod.readyMs = performance.now();
      this.#note();
    } catch {
      // It ended, or was killed, while it was starting: the exit code says so.
      child.kill('SIGKILL');
    }
    this.#exits.push(await exited);
    if (cpus !== undefined && pod.readyMs !== undefined) rmdirSync(group);
    this.#ended(pod);
  }

  #ended(pod: Pod): void {
    pod.endedMs = performance.now();
    this.#pods.splice(this.#pods.indexOf(pod), 1);
    this.#note();
  }

  async #remove(count: number): Promise<void> {
    const candidates = this.#pods.filter(({ stoppingMs }) => stoppingMs === undefined);
    // So that nobody chooses the same ones while this asks what they cost.
    const starting = candidates.filter(({ readyMs }) => readyMs === undefined).reverse();
    const ready = candidates.filter(({ readyMs }) => readyMs !== undefined);
    const chosen = starting.slice(0, count);
    if (chosen.length < count) chosen.push(...(await this.#cheapest(ready, count - chosen.length)));
    await Promise.all(chosen.filter(({ stoppingMs }) => stoppingMs === undefined).map((pod) => this.#stop(pod)));
  }

  async #cheapest(pods: readonly Pod[], count: number): Promise<readonly Pod[]> {
    const { victim, random } = this.#options;
    const priced = await Promise.all(
      pods.map(async (pod) => ({ pod, cost: victim === 'random' ? random() : await jobsUnderWay(pod) })),
    );
    return priced
      .sort((a, b) => a.cost - b.cost || b.pod.createdMs - a.pod.createdMs)
      .slice(0, count)
      .map(({ pod }) => pod);
  }

  async #stop(pod: Pod): Promise<void> {
    pod.stoppingMs = performance.now();
    this.#note();
    pod.abort.abort();
    const { process: worker } = pod;
    if (worker === undefined) return;
    // Before it is up it does not listen to signals: Kubernetes would send it too, and the process would just end.
    await worker.ready.catch(() => undefined);
    worker.child.kill('SIGTERM');
    const timer = setTimeout(() => worker.child.kill('SIGKILL'), KILL_MS);
    await worker.exited;
    clearTimeout(timer);
  }

  #note(): void {
    const { replicas, readyReplicas } = this;
    this.#counts.push({ atMs: performance.now(), replicas, readyReplicas });
  }
}

/** Queue jobs that a worker has under way, by its own metrics. */
async function jobsUnderWay({ metricsUrl }: Pod): Promise<number> {
  const text = await fetch(`${metricsUrl}/metrics`).then(
    (response) => response.text(),
    () => '',
  );
  const lines = text.split('\n').filter((line) => line.startsWith(`${METRICS.jobsInFlight.name}{`));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}
