import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { SETTINGS, threadsFor } from '@sconce/process';
import { PLANNER_QUEUE, REGISTRATION_QUEUE, WEBHOOK_QUEUE, laneQueueName } from '@sconce/queue';
import { parseFormula } from '../scaling/formula.ts';
import type { ScaledObject, Trigger } from '../scaling/keda.ts';
import { HAS_KUBECTL, OVERLAYS, modelsOf, render, workloads, type Manifest, type Workload } from './rendered.ts';

/** Objects that an overlay expects to exist; docs/kubernetes.md names them. */
const EXTERNAL = new Set(['Secret/sconce-redis', 'Secret/sconce-api-keys']);
/** Online jobs that a worker takes per thread; more jobs wait in the queue. */
const JOBS_PER_THREAD = 2;
/** The weight of work that needs one worker, however much of it there is. */
const PRESENCE = 1 / 100;

/** Inside the workspace, because TypeScript finds the types only there. */
const SCRATCH = fileURLToPath(new URL('../../node_modules/.cache/manifests/', import.meta.url));
afterAll(() => {
  rmSync(SCRATCH, { recursive: true, force: true });
});

interface Validated {
  validate(): void;
}

describe.skipIf(!HAS_KUBECTL)('manifests (kubectl renders them)', () => {
  describe.each(OVERLAYS)('%s', (overlay) => {
    const manifests = HAS_KUBECTL ? render(overlay) : [];
    const of = (kind: string): readonly Manifest[] => manifests.filter((own) => own.kind === kind);
    const names = new Set(manifests.map(({ kind, metadata }) => `${kind}/${metadata.name}`));
    const exists = (kind: string, name: string): boolean =>
      names.has(`${kind}/${name}`) || (overlay !== 'local' && EXTERNAL.has(`${kind}/${name}`));
    const own = (): readonly Workload[] =>
      workloads(manifests).filter(({ metadata }) => /^sconce-(api|worker)/.test(metadata.name));

    it('pass the validation of their schemas', async () => {
      expect(manifests.length).toBeGreaterThan(10);
      for (const manifest of manifests) {
        const models = (await import(modelsOf(manifest.apiVersion))) as Record<string, new (data: object) => Validated>;
        const Model = models[manifest.kind];
        expect(Model, `${manifest.apiVersion} ${manifest.kind}`).toBeDefined();
        if (Model !== undefined) new Model(manifest).validate();
      }
    });

    it('have no fields that the schemas do not know', () => {
      const folder = `${SCRATCH}${overlay}/`;
      mkdirSync(folder, { recursive: true });
      const lines = manifests.map(
        ({ apiVersion, kind, ...rest }, index) =>
          `import { ${kind} as K${index} } from '${modelsOf(apiVersion)}';\n` +
          `export const m${index}: ConstructorParameters<typeof K${index}>[0] = ${JSON.stringify(rest)};`,
      );
      writeFileSync(`${folder}manifests.ts`, lines.join('\n'));
      const compilerOptions = { strict: true, noEmit: true, module: 'nodenext', skipLibCheck: true, types: [] };
      writeFileSync(`${folder}tsconfig.json`, JSON.stringify({ compilerOptions, include: ['manifests.ts'] }));
      writeFileSync(`${folder}package.json`, '{"type": "module"}');
      const tsc = fileURLToPath(new URL('../../node_modules/typescript7/bin/tsc', import.meta.url));
      expect(outputOf(process.execPath, [tsc, '-p', folder])).toBe('');
    });

    it('set only variables that the programs know', () => {
      const maps = of('ConfigMap').flatMap(({ data = {} }) => Object.keys(data));
      const variables = own().flatMap(({ spec }) =>
        spec.template.spec.containers.flatMap(({ env = [] }) => env.map(({ name }) => name)),
      );
      const unknown = [...maps, ...variables].filter((name) => !(name in SETTINGS) && !/^(OTEL|AWS)_/.test(name));
      expect(unknown).toEqual([]);
      expect(variables).toContain('SCONCE_REDIS_URL');
      // Otherwise Kubernetes adds variables like SCONCE_API_SERVICE_HOST.
      expect(own().filter(({ spec }) => spec.template.spec.enableServiceLinks !== false)).toEqual([]);
    });

    it('refer only to objects that exist', () => {
      for (const { metadata, spec } of workloads(manifests)) {
        const { containers, volumes = [], serviceAccountName } = spec.template.spec;
        for (const { env = [], envFrom = [] } of containers) {
          for (const { configMapRef } of envFrom)
            expect(exists('ConfigMap', configMapRef?.name ?? ''), metadata.name).toBe(true);
          for (const { valueFrom } of env) {
            const secret = valueFrom?.secretKeyRef?.name;
            if (secret !== undefined) expect(exists('Secret', secret), secret).toBe(true);
          }
        }
        for (const { secret, persistentVolumeClaim } of volumes) {
          if (secret !== undefined) expect(exists('Secret', secret.secretName), secret.secretName).toBe(true);
          if (persistentVolumeClaim === undefined) continue;
          expect(exists('PersistentVolumeClaim', persistentVolumeClaim.claimName)).toBe(true);
        }
        if (serviceAccountName !== undefined) expect(exists('ServiceAccount', serviceAccountName)).toBe(true);
      }
      for (const { spec } of [...of('ScaledObject'), ...of('HorizontalPodAutoscaler')]) {
        const { scaleTargetRef } = spec as { scaleTargetRef: { name: string } };
        expect(exists('Deployment', scaleTargetRef.name), scaleTargetRef.name).toBe(true);
      }
    });

    it('select the right pods, each pod by one disruption budget', () => {
      const pods = workloads(manifests).map(({ metadata, spec }) => ({ name: metadata.name, ...spec.template }));
      for (const { spec } of workloads(manifests)) {
        expect(matches(spec.selector.matchLabels, spec.template.metadata.labels)).toBe(true);
      }
      for (const service of of('Service')) {
        const { selector, ports } = service.spec as {
          selector: Record<string, string>;
          ports: { targetPort: string }[];
        };
        const chosen = pods.filter(({ metadata }) => matches(selector, metadata.labels));
        expect(chosen, service.metadata.name).toHaveLength(1);
        const known = chosen.flatMap(({ spec }) =>
          spec.containers.flatMap(({ ports: own = [] }) => own.map(({ name }) => name)),
        );
        for (const { targetPort } of ports) expect(known).toContain(targetPort);
      }
      const budgets = of('PodDisruptionBudget').map(({ spec }) => (spec as Workload['spec']).selector.matchLabels);
      for (const { name, metadata } of pods.filter(
        (pod) => pod.name.startsWith('sconce-') && pod.name !== 'sconce-redis',
      )) {
        expect(
          budgets.filter((labels) => matches(labels, metadata.labels)),
          name,
        ).toHaveLength(1);
      }
      for (const { metadata } of pods.filter((pod) => pod.name !== 'sconce-redis')) {
        expect(metadata.labels['app.kubernetes.io/part-of']).toBe('sconce');
      }
    });

    it('run no container as root, with an unpinned image or a writable root file system', () => {
      for (const { metadata, spec } of workloads(manifests)) {
        const { securityContext, containers } = spec.template.spec;
        expect(securityContext, metadata.name).toMatchObject({
          runAsNonRoot: true,
          seccompProfile: { type: 'RuntimeDefault' },
        });
        for (const { image, securityContext: mine } of containers) {
          expect(image).toMatch(/:[0-9][\w.-]*$/);
          expect(mine).toMatchObject({
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          });
        }
      }
    });

    it('give pods enough time to end', () => {
      const graceMs = Number(of('ConfigMap')[0]?.data?.['SCONCE_SHUTDOWN_GRACE_MS']);
      expect(graceMs).toBeGreaterThan(0);
      for (const { spec } of own()) {
        const { terminationGracePeriodSeconds = 30, containers } = spec.template.spec;
        const sleep = Number(
          (containers[0]?.['lifecycle'] as { preStop?: { sleep?: { seconds: number } } } | undefined)?.preStop?.sleep
            ?.seconds ?? 0,
        );
        expect(terminationGracePeriodSeconds * 1_000).toBeGreaterThan(graceMs + sleep * 1_000 + 5_000);
        for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe']) {
          expect(containers[0]?.[probe]).toMatchObject({ httpGet: { port: 'metrics' } });
        }
      }
    });

    it.runIf(overlay !== 'local')('scale each pool by its own queues', () => {
      const scaled = of('ScaledObject').map(
        ({ spec }) => spec as unknown as ScaledObject & { scaleTargetRef: { name: string } },
      );
      const workers = own().filter(({ metadata }) => metadata.name.startsWith('sconce-worker'));
      expect(scaled.map(({ scaleTargetRef }) => scaleTargetRef.name).sort()).toEqual(
        workers.map(({ metadata }) => metadata.name).sort(),
      );
      // The autoscaler owns the number of pods, so the Deployment must not set it.
      expect(own().filter(({ spec }) => spec.replicas !== undefined)).toEqual([]);
      for (const { scaleTargetRef, triggers, advanced } of scaled) {
        const [container] = workers.find(({ metadata }) => metadata.name === scaleTargetRef.name)!.spec.template.spec
          .containers;
        const pool = container?.env?.find(({ name }) => name === 'SCONCE_POOL')?.value ?? '';
        const { limits } = container?.['resources'] as { limits: { cpu: string } };
        const threads = threadsFor({ cpus: Number(limits.cpu) });
        const { formula, target, metricType } = advanced.scalingModifiers;
        expect({ target, metricType }).toEqual({ target: '1', metricType: 'AverageValue' });
        const { names, compute } = parseFormula(formula);
        expect([...names].sort()).toEqual(triggers.map(({ name }) => name).sort());
        // The number of workers that one more entry of each list asks for.
        const none = Object.fromEntries(names.map((name) => [name, 0]));
        expect(compute(none)).toBe(0);
        const asks = Object.fromEntries(
          triggers.map((trigger) => [sourceOf(trigger), compute({ ...none, [trigger.name]: 1 })]),
        );
        const jobs = 1 / (pool === 'default' ? JOBS_PER_THREAD * threads : threads);
        expect(asks).toEqual({
          [`sconce:online:${pool}`]: jobs,
          [`sconce:producer-backlog:${pool}`]: jobs,
          ...listsOf(laneQueueName(pool, 'online'), { wait: jobs, prioritized: jobs, active: jobs, delayed: PRESENCE }),
          ...(overlay === 'backlog-seconds'
            ? {
                worker_seconds: 1 / 30,
                ...listsOf(laneQueueName(pool, 'batch'), { wait: PRESENCE, active: PRESENCE, delayed: PRESENCE }),
              }
            : listsOf(laneQueueName(pool, 'batch'), {
                wait: jobs,
                active: jobs,
                prioritized: 1 / chunkSlots(threads),
                delayed: PRESENCE,
              })),
          ...(pool === 'default'
            ? Object.assign(
                {},
                ...[PLANNER_QUEUE, REGISTRATION_QUEUE, WEBHOOK_QUEUE].map((queue) =>
                  listsOf(queue, { wait: PRESENCE, active: PRESENCE, delayed: PRESENCE }),
                ),
              )
            : {}),
        });
      }
    });

    it.runIf(overlay === 'scale-to-zero')('scale to zero after ten minutes without waiting or running work', () => {
      const [scaled] = of('ScaledObject');
      expect(scaled?.spec).toMatchObject({ minReplicaCount: 0, cooldownPeriod: 600 });
    });

    it.runIf(overlay !== 'local')('contain no secret', () => {
      expect(of('Secret')).toEqual([]);
      expect(JSON.stringify(manifests)).not.toMatch(/redis:\/\/[^"]*:[^"]*@|SCONCE_AUTH/);
    });
  });
});

/** The Redis key or the JSON field that a trigger reads. */
function sourceOf({ type, metadata }: Trigger): string {
  if (type === 'redis') return metadata.listName;
  return type === 'redis-streams' ? metadata.stream : metadata.valueLocation;
}

/** The weights of a queue's lists in Redis, by key. */
function listsOf(queue: string, weights: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(weights).map(([state, weight]) => [`bull:${queue}:${state}`, weight]));
}

/** Chunks that a worker with this many threads scores at once, as in `apps/worker`. */
function chunkSlots(threads: number): number {
  return Math.max(2, threads);
}

function matches(selector: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(selector).every(([name, value]) => labels[name] === value);
}

function outputOf(program: string, given: readonly string[]): string {
  try {
    return execFileSync(program, given, { encoding: 'utf8' });
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}
