import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { SETTINGS } from '@sconce/process';
import { API_ENVIRONMENT, PROCESS_ENVIRONMENT } from '@sconce/runtime/process-environment';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const FOLDER = join(ROOT, 'deploy');

interface Service {
  readonly image?: string;
  readonly build?: {
    readonly context: string;
    readonly dockerfile: string;
    readonly args: Readonly<Record<string, string>>;
  };
  readonly environment?: Readonly<Record<string, string>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly secrets?: readonly string[];
  readonly command?: readonly string[];
  readonly healthcheck?: object;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly tmpfs?: readonly string[];
  readonly mem_limit?: string;
  readonly stop_grace_period?: string;
  readonly [key: string]: unknown;
}

interface ComposeFile {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes?: Readonly<Record<string, unknown>>;
  readonly secrets?: Readonly<Record<string, { readonly file: string }>>;
}

/** Keys that the files may use. Compose would refuse a misspelt key, but only when it starts. */
const KEYS = new Set(
  (
    'build cap_drop command cpus depends_on environment healthcheck image logging mem_limit ports read_only restart secrets security_opt ' +
    'stop_grace_period tmpfs user volumes'
  ).split(' '),
);

const read = (name: string): ComposeFile =>
  parse(readFileSync(join(FOLDER, name), 'utf8'), { merge: true }) as ComposeFile;
const FILES = { 'compose.yaml': read('compose.yaml'), 'compose.secure.yaml': read('compose.secure.yaml') } as const;
const base = FILES['compose.yaml'];
const services = Object.entries(base.services);
const own = (['api', 'worker'] as const).map((name) => [name, base.services[name] ?? {}] as const);

describe.each(Object.entries(FILES))('%s', (_name, { services: all, secrets = {} }) => {
  it.each(Object.entries(all))('%s has known keys, and the things that it names exist', (name, service) => {
    expect(base.services[name]).toBeDefined();
    expect(Object.keys(service).filter((key) => !KEYS.has(key))).toEqual([]);
    for (const other of Object.keys(service.depends_on ?? {})) expect(base.services).toHaveProperty(other);
    for (const secret of service.secrets ?? []) expect(secrets).toHaveProperty(secret);
    for (const volume of service.volumes ?? []) {
      const [from = '', to] = volume.split(':');
      expect(to).toMatch(/^\//);
      if (from.startsWith('.')) expect(existsSync(join(FOLDER, from)), volume).toBe(true);
      else expect(base.volumes).toHaveProperty(from);
    }
  });

  it.each(['api', 'worker'] as const)('%s gets only variables that it knows', (program) => {
    for (const [name, value] of Object.entries(all[program]?.environment ?? {})) {
      expect(typeof value, name).toBe('string');
      if (!name.startsWith('SCONCE_')) continue;
      // A secret may also be given as a file.
      const setting = SETTINGS[(name in SETTINGS ? name : name.replace(/_FILE$/, '')) as keyof typeof SETTINGS];
      expect(setting, name).toBeDefined();
      expect(setting.programs, name).toContain(program);
    }
  });
});

describe('every service', () => {
  it.each(services)('%s has a pinned image, resource limits and a hardened container', (_name, service) => {
    expect(service.image?.replace(/\$\{\w+:-([^}]*)\}/, '$1')).toMatch(/^[\w./-]+:v?\d+\.\d+[\w.-]*$/);
    expect(service.mem_limit).toBeDefined();
    expect(service.read_only).toBe(true);
    expect(service.cap_drop).toEqual(['ALL']);
    expect(service.security_opt).toEqual(['no-new-privileges:true']);
    expect(service.tmpfs).toEqual(['/tmp']);
  });

  it.each(services)('%s publishes its ports only on this machine', (_name, service) => {
    for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:\$\{\w+:-(\d+)\}:\d+$/);
  });
});

it('waits until Redis answers; Redis keeps every accepted job and never evicts', () => {
  expect(base.services['redis']?.healthcheck).toBeDefined();
  for (const name of ['compose.yaml', 'compose.secure.yaml'] as const) {
    const command = FILES[name].services['redis']?.command?.join(' ');
    expect(command).toContain('--appendonly yes');
    expect(command).toContain('--maxmemory-policy noeviction');
    // Below the limit of the container, 1 GiB.
    expect(command).toContain('--maxmemory 700mb');
  }
  for (const [, service] of own) expect(service.depends_on?.['redis']?.condition).toBe('service_healthy');
});

it.each(own)('gives the %s more time to stop than it needs', (_name, service) => {
  const graceMs = Number(service.environment?.['SCONCE_SHUTDOWN_GRACE_MS']);
  expect(graceMs).toBeGreaterThan(0);
  // After the grace period the consumers close and the telemetry is sent: 5 s at most.
  expect(Number.parseInt(service.stop_grace_period ?? '', 10) * 1_000).toBeGreaterThanOrEqual(graceMs + 10_000);
});

describe.each(own)('the image of the %s', (name, service) => {
  const dockerfile = join(FOLDER, service.build?.context ?? '', service.build?.dockerfile ?? '');
  const text = readFileSync(dockerfile, 'utf8');
  const final = text.slice(text.lastIndexOf('\nFROM '));

  it('is built from pinned images and packages', () => {
    const { devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      devDependencies: Record<string, string>;
    };
    const images = [...text.matchAll(/^FROM (\S+)/gm)].map(([, image]) => image);
    expect(new Set(images)).toEqual(
      new Set([`node:${devDependencies['node'] ?? ''}-bookworm-slim`, 'debian:bookworm-slim']),
    );
    expect(text).not.toMatch(/^# syntax=/m);
    expect(service.build?.args).toHaveProperty('VERSION');
    expect(service.image).toContain(`/${name}:`);
  });

  it('runs as an unprivileged user, below an init process, with a health check', () => {
    expect(final).toMatch(/^USER 10001:10001$/m);
    expect(final).toMatch(/^ENTRYPOINT \["tini", "--"\]$/m);
    expect(final).toMatch(/^HEALTHCHECK /m);
    expect(final).not.toMatch(/npm|yarn|build-essential/);
  });

  it('starts its process as `sconce up` does', () => {
    const block = /^ENV ((?:.*\\\n)*.*)$/m.exec(final)?.[1] ?? '';
    const env = Object.fromEntries(
      [...block.matchAll(/(\w+)=(?:"([^"]*)"|(\S+))/g)].map(([, key = '', quoted, plain]) => [key, quoted ?? plain]),
    );
    expect(env).toMatchObject(name === 'api' ? API_ENVIRONMENT : PROCESS_ENVIRONMENT);
  });
});

const COMPOSE = [['docker', 'compose'], ['docker-compose']].find(
  ([program = '', ...args]) => spawnSync(program, [...args, 'version']).status === 0,
);

it.skipIf(COMPOSE === undefined).each([[['compose.yaml']], [['compose.yaml', 'compose.secure.yaml']]])(
  'is read by Compose: %s',
  (files) => {
    const [program = '', ...args] = COMPOSE ?? [];
    const options = files.flatMap((file) => ['-f', join(FOLDER, file)]);
    const { status, stderr } = spawnSync(program, [...args, ...options, 'config', '-q'], { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  },
);
