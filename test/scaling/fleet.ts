import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { METRICS } from '@sconce/telemetry';
import { startProduct, type ProductProcess } from '../support/product-process.ts';
import type { ScaleTarget } from './keda.ts';

/** Longer than a worker's grace period, like `terminationGracePeriodSeconds`. */
const KILL_MS = 45_000;
/** The folder of CPU control groups, version 1. */
const CPU_GROUPS = '/sys/fs/cgroup/cpu';
/** Short periods give a small share in many pieces, like a slower CPU. */
const CPU_PERIOD_US = 20_000;

export interface FleetOptions {
  readonly env: Readonly<Record<string, string>>;
  /** Time from a pod's creation to the start of its process: scheduling and image pull. The start of the process is added. */
  readonly startUpMs: number;
  /**
   * Which ready pod is deleted first: `idle`, the pod with the lowest deletion cost (which workers write to
   * `controller.kubernetes.io/pod-deletion-cost`), or `random`, as a ReplicaSet does when pods have no cost.
   */
  readonly victim: 'idle' | 'random';
  readonly random: () => number;
  /** CPUs of each worker, from the time that it is ready. It needs a user who may create control groups. */
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

/** The number of pods from a time on. */
export interface Count {
  readonly atMs: number;
  readonly replicas: number;
  readonly readyReplicas: number;
}

/** A worker Deployment without a cluster: each pod is a worker process. A wait stands for scheduling and image pull. */
export class Fleet implements ScaleTarget {
  readonly #options: FleetOptions;
  readonly #pods: Pod[] = [];
  readonly #ends: Promise<void>[] = [];
  readonly #counts: Count[] = [];
  readonly #exits: (number | null)[] = [];
  #made = 0;

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#recordCount();
  }

  get replicas(): number {
    return this.#pods.filter(({ stoppingMs }) => stoppingMs === undefined).length;
  }

  get readyReplicas(): number {
    return this.#pods.filter(({ readyMs, stoppingMs }) => readyMs !== undefined && stoppingMs === undefined).length;
  }

  /** The numbers of pods over time. */
  get counts(): readonly Count[] {
    return this.#counts;
  }

  /** Exit codes of the processes that have ended. */
  get exits(): readonly (number | null)[] {
    return this.#exits;
  }

  scaleTo(replicas: number): void {
    for (let missing = replicas - this.replicas; missing > 0; missing--) this.#create();
    const tooMany = this.replicas - replicas;
    if (tooMany > 0) this.#ends.push(this.#remove(tooMany));
  }

  /** Stops all pods and waits until they have ended. */
  async close(): Promise<void> {
    for (const pod of this.#pods) if (pod.stoppingMs === undefined) this.#ends.push(this.#stop(pod));
    for (let end = this.#ends.pop(); end !== undefined; end = this.#ends.pop()) await end;
  }

  #create(): void {
    const pod: Pod = { name: `pod-${this.#made++}`, createdMs: performance.now(), abort: new AbortController() };
    this.#pods.push(pod);
    this.#recordCount();
    this.#ends.push(this.#run(pod));
  }

  async #run(pod: Pod): Promise<void> {
    const { startUpMs, env, cpus } = this.#options;
    try {
      await sleep(startUpMs, undefined, { signal: pod.abort.signal });
    } catch {
      this.#removeEnded(pod);
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
      this.#recordCount();
    } catch {
      // The process ended, or was killed, during its start: the exit code shows it.
      child.kill('SIGKILL');
    }
    this.#exits.push(await exited);
    if (cpus !== undefined && pod.readyMs !== undefined) rmdirSync(group);
    this.#removeEnded(pod);
  }

  #removeEnded(pod: Pod): void {
    pod.endedMs = performance.now();
    this.#pods.splice(this.#pods.indexOf(pod), 1);
    this.#recordCount();
  }

  async #remove(count: number): Promise<void> {
    const candidates = this.#pods.filter(({ stoppingMs }) => stoppingMs === undefined);
    // Pods are marked as stopping again below, because reading their cost takes time.
    const starting = candidates.filter(({ readyMs }) => readyMs === undefined).reverse();
    const ready = candidates.filter(({ readyMs }) => readyMs !== undefined);
    const chosen = starting.slice(0, count);
    if (chosen.length < count) chosen.push(...(await this.#cheapest(ready, count - chosen.length)));
    await Promise.all(chosen.filter(({ stoppingMs }) => stoppingMs === undefined).map((pod) => this.#stop(pod)));
  }

  async #cheapest(pods: readonly Pod[], count: number): Promise<readonly Pod[]> {
    const { victim, random } = this.#options;
    const priced = await Promise.all(
      pods.map(async (pod) => ({ pod, cost: victim === 'random' ? random() : await jobsInFlight(pod) })),
    );
    return priced
      .sort((a, b) => a.cost - b.cost || b.pod.createdMs - a.pod.createdMs)
      .slice(0, count)
      .map(({ pod }) => pod);
  }

  async #stop(pod: Pod): Promise<void> {
    pod.stoppingMs = performance.now();
    this.#recordCount();
    pod.abort.abort();
    const { process: worker } = pod;
    if (worker === undefined) return;
    // Before it is ready it does not handle signals: SIGTERM would end it at once, as it would in Kubernetes.
    await worker.ready.catch(() => undefined);
    await worker.stop(KILL_MS);
  }

  #recordCount(): void {
    const { replicas, readyReplicas } = this;
    this.#counts.push({ atMs: performance.now(), replicas, readyReplicas });
  }
}

/** Queue jobs in flight at a worker, from its metrics. */
async function jobsInFlight({ metricsUrl }: Pod): Promise<number> {
  const text = await fetch(`${metricsUrl}/metrics`).then(
    (response) => response.text(),
    () => '',
  );
  const lines = text.split('\n').filter((line) => line.startsWith(`${METRICS.jobsInFlight.name}{`));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}
