/**
 * Plays a load trace with bursts of requests and batches. KEDA's formula and the HPA's algorithm add and remove real workers, once for
 * each form of scaling. Measured: the time until there are enough workers, missing and surplus workers, waits of requests, lost work.
 * It needs `npm run build`, kubectl, and a user who may create control groups of version 1 (root); without that use `--cpus 0`.
 *
 *     node --conditions=@sconce/source bench/scaling/trace.bench.ts [--speed 4] [--cpus 0.15] [--most 5] [--forms jobs,seconds,waiting]
 *
 * `speed` makes every wait, window and period of the ScaledObject, and the start of pods, this many times as short. `cpus` is the share
 * of a core that each worker gets, so that several workers on a few cores behave like pods with limits.
 */
import { parseArgs } from 'node:util';
import { SconceClient } from '@sconce/client';
import { Fleet, type FleetOptions } from '../../test/scaling/fleet.ts';
import { startInstallation, type Installation } from '../../test/scaling/installation.ts';
import { Autoscaler, type ScaledObject } from '../../test/scaling/keda.ts';
import { playTrace, requestsOf, type Stretch, type TraceEvent } from '../../test/scaling/load-trace.ts';
import { render, type Overlay } from '../../test/manifests/rendered.ts';
import { seeded } from '../../test/support/seeded.ts';
import { outcomeOf, provisioning, reportOf, timeToScale, type Demand, type ScalingFigures } from './report.ts';

const { values } = parseArgs({
  options: {
    speed: { type: 'string', default: '4' },
    cpus: { type: 'string', default: '0.15' },
    most: { type: 'string', default: '5' },
    seed: { type: 'string', default: '1' },
    forms: { type: 'string', default: 'jobs,seconds,waiting' },
  },
});
const SPEED = Number(values.speed);
const CPUS = Number(values.cpus);
const MOST = Number(values.most);
const SEED = Number(values.seed);
/** Time to schedule a pod and pull its image, in the ScaledObject's seconds. The real start of the process is added. */
const START_UP_SECONDS = 10;
/** Products of the model `slow` for a row. */
const STEPS = 150;
const CALIBRATION = { inFlight: 8, seconds: 15 };
/** Work of a batch per worker, in the ScaledObject's seconds, as in the overlay `backlog-seconds`. */
const WORK_SECONDS = 30;
const LOOK_MS = 250;

/** The trace, in real seconds: the load of requests in workers, and the batches with their worker-seconds. */
const LOAD: readonly { readonly seconds: number; readonly workers: number }[] = [
  { seconds: 20, workers: 0.4 },
  { seconds: 40, workers: 3.5 },
  { seconds: 130, workers: 0.3 },
  { seconds: 20, workers: 2 },
  { seconds: 90, workers: 0.3 },
];
const BATCH = { atSeconds: 110, workerSeconds: 90 };

function scaledObjectOf(overlay: Overlay): ScaledObject {
  const found = render(overlay).find(({ kind }) => kind === 'ScaledObject');
  if (found?.spec === undefined) throw new Error(`${overlay} has no ScaledObject`);
  return { ...(found.spec as unknown as ScaledObject), maxReplicaCount: MOST };
}

/** The forms that are compared: the two that are shipped, and a simple one that does not count running jobs. */
function formOf(name: string): ScaledObject {
  if (name === 'jobs') return scaledObjectOf('production');
  if (name === 'seconds') return scaledObjectOf('backlog-seconds');
  if (name !== 'waiting') throw new Error(`--forms: "${name}" is not jobs, seconds or waiting`);
  const shipped = scaledObjectOf('production');
  const scalingModifiers = {
    ...shipped.advanced.scalingModifiers,
    formula: '(online_wait + online_prioritized + batch_wait + batch_prioritized) / 4',
  };
  return { ...shipped, advanced: { ...shipped.advanced, scalingModifiers } };
}

function fleetOf({ workerEnv }: Installation, startUpMs: number): Fleet {
  const options: FleetOptions = {
    env: workerEnv,
    startUpMs,
    victim: 'idle',
    random: seeded(SEED),
    ...(CPUS > 0 ? { cpus: CPUS } : {}),
  };
  return new Fleet(options);
}

/** Requests a second that one worker answers, and rows of a batch. */
async function calibrate(installation: Installation): Promise<{ requests: number; rows: number }> {
  const fleet = fleetOf(installation, 0);
  fleet.scaleTo(1);
  await installation.push();
  const untilMs = performance.now() + CALIBRATION.seconds * 1_000;
  let answered = 0;
  const client = new SconceClient({ url: installation.url });
  const steps = new Uint8Array(BigInt64Array.of(BigInt(STEPS)).buffer);
  await Promise.all(
    Array.from({ length: CALIBRATION.inFlight }, async () => {
      while (performance.now() < untilMs) {
        await client.infer('slow', {
          inputs: [{ name: 'steps', datatype: 'INT64', shape: [1], data: steps }],
          binary: true,
        });
        answered += 1;
      }
    }),
  );
  const requests = answered / CALIBRATION.seconds;
  const rows = Math.ceil(requests * CALIBRATION.seconds);
  const { batches } = await playTrace([{ kind: 'batch', atMs: 0, rows, steps: STEPS }], installation);
  await fleet.close();
  return { requests, rows: rows / (batches[0]?.seconds ?? NaN) };
}

async function runForm(name: string, pace: { requests: number; rows: number }): Promise<ScalingFigures> {
  const installation = await startInstallation({ SCONCE_THREADS: '2' });
  const fleet = fleetOf(installation, (1_000 * START_UP_SECONDS) / SPEED);
  const scaledObject = formOf(name);
  fleet.scaleTo(scaledObject.minReplicaCount);
  let autoscaler: Autoscaler | undefined;
  try {
    await installation.push();
    const source = installation;
    autoscaler = new Autoscaler({
      scaledObject,
      source,
      target: fleet,
      speed: SPEED,
      onRound: ({ metric, replicas, readyReplicas, wanted }) => {
        if (wanted !== replicas) {
          process.stderr.write(
            `${name}: ${metric?.toFixed(2) ?? '?'} → ${wanted} (of ${replicas}, ${readyReplicas} ready)\n`,
          );
        }
      },
    });
    const stretches: Stretch[] = LOAD.map(({ seconds, workers }) => ({
      seconds,
      perSecond: workers * pace.requests,
      steps: STEPS,
    }));
    const rows = Math.round(BATCH.workerSeconds * pace.rows);
    const trace: TraceEvent[] = [
      ...requestsOf(stretches, seeded(SEED)),
      { kind: 'batch', atMs: BATCH.atSeconds * 1_000, rows, steps: STEPS },
    ];
    const beganMs = performance.now();
    const demand: Demand[] = [];
    const looking = setInterval(() => {
      const look = async (): Promise<void> => {
        const atMs = performance.now();
        const response = await fetch(`${installation.apiMetricsUrl}/backlog/default`);
        const { worker_seconds: work } = (await response.json()) as { worker_seconds: number };
        const needed = loadAt((atMs - beganMs) / 1_000) + (work * SPEED) / WORK_SECONDS;
        demand.push({ atMs, workers: Math.min(MOST, Math.max(1, Math.ceil(needed))) });
      };
      look().catch(() => undefined);
    }, LOOK_MS);
    const played = await playTrace(trace, installation);
    const restMs = beganMs + LOAD.reduce((sum, { seconds }) => sum + seconds * 1_000, 0) - performance.now();
    if (restMs > 0) await new Promise((resolve) => setTimeout(resolve, restMs));
    clearInterval(looking);
    await autoscaler.close();
    const counts = [...fleet.counts];
    const { needed, under, over } = provisioning(demand, counts);
    await fleet.close();
    return {
      name,
      secondsToScale: bursts().map(({ atSeconds, workers }) => {
        const since = (of: 'replicas' | 'readyReplicas'): number =>
          (timeToScale(counts, { fromMs: beganMs + atSeconds * 1_000, workers, of }) / 1_000) * SPEED;
        return { asked: since('replicas'), ready: since('readyReplicas') };
      }),
      peak: Math.max(...counts.map(({ replicas }) => replicas)),
      needed: needed * SPEED,
      under: under * SPEED,
      over: over * SPEED,
      ...outcomeOf(played),
      scaleIns: counts.filter(({ replicas }, index) => replicas < (counts[index - 1]?.replicas ?? 0)).length,
      exits: fleet.exits,
    };
  } finally {
    await autoscaler?.close();
    await fleet.close();
    await installation.close();
  }
}

function loadAt(seconds: number): number {
  let from = 0;
  for (const stretch of LOAD) {
    from += stretch.seconds;
    if (seconds < from) return stretch.workers;
  }
  return 0;
}

/** The times when load for more than one worker begins, and the workers that it needs. */
function bursts(): readonly { readonly atSeconds: number; readonly workers: number }[] {
  let atSeconds = 0;
  return LOAD.flatMap(({ seconds, workers }) => {
    const beganAt = atSeconds;
    atSeconds += seconds;
    return workers > 1 ? [{ atSeconds: beganAt, workers: Math.ceil(workers) }] : [];
  });
}

const first = await startInstallation({ SCONCE_THREADS: '2' });
const pace = await calibrate(first).finally(() => first.close());
process.stdout.write(
  `A worker of ${CPUS} CPUs answers ${pace.requests.toFixed(1)} requests a second, and scores ${pace.rows.toFixed(1)} rows. ` +
    `${SPEED} times as fast as shipped, at most ${MOST} workers.\n\n`,
);
const figures: ScalingFigures[] = [];
for (const name of values.forms.split(',')) figures.push(await runForm(name, pace));
process.stdout.write(reportOf(figures));
