import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { SETTINGS } from '@sconce/process';
import { laneQueueName } from '@sconce/queue';
import { HAS_KUBECTL, OVERLAYS, modelsOf, render, workloads, type Manifest, type Workload } from './rendered.ts';

/** Objects that an overlay expects to be there already; docs/kubernetes.md names them. */
const EXTERNAL = new Set(['Secret/sconce-redis', 'Secret/sconce-api-keys']);
const STATES = ['wait', 'prioritized', 'active'] as const;
const LANES = ['online', 'batch'] as const;

/** Types are only found from within the workspace. */
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

    it('hold what the schemas want', async () => {
      expect(manifests.length).toBeGreaterThan(10);
      for (const manifest of manifests) {
        const models = (await import(modelsOf(manifest.apiVersion))) as Record<string, new (data: object) => Validated>;
        const Model = models[manifest.kind];
        expect(Model, `${manifest.apiVersion} ${manifest.kind}`).toBeDefined();
        if (Model !== undefined) new Model(manifest).validate();
      }
    });

    it('hold nothing that the schemas do not know', () => {
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
      // Else Kubernetes adds SCONCE_API_SERVICE_HOST and the like.
      expect(own().filter(({ spec }) => spec.template.spec.enableServiceLinks !== false)).toEqual([]);
    });

    it('refer to what is there', () => {
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

    it('select the pods they mean, each by one budget', () => {
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

    it('run nothing as root, nothing unpinned, nothing that can write to its own files', () => {
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

    it('leave pods the time that they take to end', () => {
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

    it.runIf(overlay !== 'local' && overlay !== 'backlog-seconds')('scale each pool by its own queues', () => {
      const pools = own().flatMap(({ spec }) =>
        spec.template.spec.containers.flatMap(({ env = [] }) =>
          env.filter(({ name }) => name === 'SCONCE_POOL').map(({ value }) => value),
        ),
      );
      const scaled = of('ScaledObject').map(
        ({ spec }) =>
          spec as {
            triggers: { name: string; metadata: { listName: string } }[];
            advanced: { scalingModifiers: { formula: string } };
          },
      );
      const lists = pools.map((pool) =>
        LANES.flatMap((lane) => STATES.map((state) => `bull:${laneQueueName(pool ?? '', lane)}:${state}`)).sort(),
      );
      expect(scaled.map(({ triggers }) => triggers.map(({ metadata }) => metadata.listName).sort()).sort()).toEqual(
        lists.sort(),
      );
      for (const { triggers, advanced } of scaled) {
        const terms = advanced.scalingModifiers.formula.split(' + ');
        expect(terms.sort()).toEqual(triggers.map(({ name }) => name).sort());
      }
      // What owns the number of pods must not be told it twice.
      expect(own().filter(({ spec }) => spec.replicas !== undefined)).toEqual([]);
    });

    it.runIf(overlay !== 'local')('hold no secret', () => {
      expect(of('Secret')).toEqual([]);
      expect(JSON.stringify(manifests)).not.toMatch(/redis:\/\/[^"]*:[^"]*@|SCONCE_AUTH/);
    });
  });
});

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
