import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { SETTINGS } from '@sconce/process';
import { METRICS } from '@sconce/telemetry';
import { MANIFEST, alertGroups, alertManifest } from '../../tools/alert-rules.ts';

// Rules, dashboards and runbooks name only metrics and labels that exist, and each other.

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string): string => readFileSync(`${ROOT}${path}`, 'utf8');
const files = (folder: string): string[] => readdirSync(`${ROOT}${folder}`).map((name) => `${folder}/${name}`);

const groups = await alertGroups();
const rules = groups.flatMap((group) => group.rules);
const alerts = rules.filter(({ alert }) => alert !== undefined);
const known = new Set([
  ...Object.values(METRICS).flatMap(({ name, kind }) =>
    kind === 'histogram' ? ['_bucket', '_count', '_sum'].map((part) => `${name}${part}`) : [name],
  ),
  ...rules.flatMap(({ record }) => record ?? []),
  'up',
]);
const labels = new Set([
  ...Object.values(METRICS).flatMap(({ labels: own }) => own as readonly string[]),
  ...['le', 'job', 'instance'],
]);

/** The series that an expression reads, and the labels that it selects or groups by. */
function namesIn(expr: string): { readonly series: string[]; readonly labels: string[] } {
  const own: string[] = [];
  const bare = expr
    .replace(/#.*$/gm, '')
    .replace(/"(?:[^"\\]|\\.)*"/g, '""')
    .replace(/\{([^}]*)\}/g, (_all, inside: string) => {
      own.push(...[...inside.matchAll(/(\w+)\s*[=!]/g)].map((match) => match[1] ?? ''));
      return ' ';
    })
    .replace(/\b(?:by|on|without|ignoring)\s*\(([^)]*)\)/g, (_all, inside: string) => {
      own.push(...inside.split(',').map((name) => name.trim()));
      return ' ';
    })
    .replace(/\[[^\]]*\]/g, ' ')
    .replace(/\boffset\s+\w+/g, ' ');
  // A name before a parenthesis is a function; some of the others are operators.
  const words = [...bare.matchAll(/(?<![\w$])([a-zA-Z_:][\w:]*)(?!\w*\s*\()/g)].map((match) => match[1] ?? '');
  const operators = new Set(['and', 'or', 'unless', 'bool']);
  return { series: words.filter((word) => !operators.has(word)), labels: own.filter((name) => name !== '') };
}

function check(exprs: readonly string[], where: string): void {
  for (const expr of exprs) {
    const names = namesIn(expr);
    expect(names.series.length, `${where}: ${expr}`).toBeGreaterThan(0);
    expect(
      names.series.filter((name) => !known.has(name)),
      `${where}: ${expr}`,
    ).toEqual([]);
    expect(
      names.labels.filter((name) => !labels.has(name)),
      `${where}: ${expr}`,
    ).toEqual([]);
  }
}

const HAS_PROMTOOL = spawnSync('promtool', ['--version']).status === 0;

function promtool(...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync('promtool', args, { cwd: `${ROOT}deploy/prometheus`, encoding: 'utf8' });
  return status === 0 ? 'ok' : `${stdout}${stderr}`;
}

it('finds the names in an expression', () => {
  const expr = 'sum by (le, a) (rate(x_bucket{b=~"c{}", d="e"}[5m])) / on (f) up unless y offset 1h > 2 # z';
  expect(namesIn(expr)).toEqual({ series: ['x_bucket', 'up', 'y'], labels: ['b', 'd', 'le', 'a', 'f'] });
});

describe('alert rules', () => {
  it('are the same in the manifest for the Prometheus operator (npm run docs)', async () => {
    expect(readFileSync(MANIFEST, 'utf8')).toBe(await alertManifest());
  });

  it('read only metrics and labels that exist', () => {
    check(
      rules.map(({ expr }) => expr),
      'alerts.yml',
    );
  });

  it('have a severity, a summary and a runbook each, and no runbook is unused', () => {
    const kebab = (name = ''): string => name.replace(/(?<!^)([A-Z])/g, '-$1').toLowerCase();
    for (const { alert, labels: own, annotations } of alerts) {
      expect(own?.['severity'], alert).toMatch(/^(critical|warning)$/);
      expect(annotations?.['summary']?.length, alert).toBeGreaterThan(20);
      expect(annotations?.['runbook_url']).toBe(`docs/runbooks/${kebab(alert)}.md`);
    }
    expect(files('docs/runbooks').sort()).toEqual(alerts.map(({ annotations }) => annotations?.['runbook_url']).sort());
  });

  it.runIf(HAS_PROMTOOL)('pass promtool, as does the configuration, and fire when they should', () => {
    expect(promtool('check', 'rules', 'alerts.yml')).toBe('ok');
    expect(promtool('check', 'config', 'prometheus.yml')).toBe('ok');
    expect(promtool('test', 'rules', 'alerts.test.yml')).toBe('ok');
  });
});

it.each(files('docs/runbooks'))('%s says what the alert means, where to look and what to do', (path) => {
  const page = read(path);
  const alert = alerts.find(({ annotations }) => annotations?.['runbook_url'] === path)?.alert;
  expect(page).toMatch(new RegExp(`^# ${alert}\\n\\n[\\s\\S]+\\n## Look\\n\\n[\\s\\S]+\\n## Do\\n\\n`));
  const queries = [...page.matchAll(/```promql\n([\s\S]*?)```/g)].flatMap(
    (match) => match[1]?.trim().split('\n') ?? [],
  );
  check(queries, path);
  const settings = [...page.matchAll(/\bSCONCE_(?!URL)[A-Z_]+/g)].map(([name]) => name);
  expect(settings.filter((name) => !(name in SETTINGS))).toEqual([]);
  for (const [, link = ''] of page.matchAll(/\]\(([^)#]+)\)/g)) {
    expect(() => read(`docs/runbooks/${link}`), link).not.toThrow();
  }
});

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly type: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string }[];
}

interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: unknown }[] };
}

describe('dashboards', () => {
  const dashboards = files('deploy/grafana/dashboards').map((path) => ({
    path,
    ...(JSON.parse(read(path)) as Dashboard),
  }));

  it.each(dashboards)('$path shows only metrics that exist', ({ path, panels, templating }) => {
    const exprs = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
    expect(exprs.length).toBeGreaterThan(5);
    check(exprs, path);
    const variables = new Set(['__rate_interval', ...templating.list.map(({ name }) => name)]);
    const used = [...JSON.stringify({ panels, templating }).matchAll(/\$\{?(\w+)/g)].map((match) => match[1] ?? '');
    expect(used.filter((name) => !variables.has(name) && name !== '__all')).toEqual([]);
    for (const { query } of templating.list) {
      const [, series = '', label = ''] = /label_values\((\w+).*, (\w+)\)/.exec(JSON.stringify(query)) ?? [];
      if (series !== '') expect([known.has(series), labels.has(label)], series).toEqual([true, true]);
    }
  });

  it.each(dashboards)('$path can be loaded: its panels have different ids and do not overlap', ({ panels }) => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    for (const { gridPos, title } of panels) expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
    for (const [index, { gridPos: a, title }] of panels.entries()) {
      for (const { gridPos: b } of panels.slice(index + 1)) {
        const apart = a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
        expect(apart, title).toBe(true);
      }
    }
  });

  it('have different uids, and their data sources exist', () => {
    expect(new Set(dashboards.map(({ uid }) => uid)).size).toBe(dashboards.length);
    const { datasources } = parse(read('deploy/grafana/provisioning/datasources/sconce.yaml')) as {
      datasources: {
        uid: string;
        type: string;
        jsonData?: { exemplarTraceIdDestinations: { datasourceUid: string }[] };
      }[];
    };
    const types = new Map(datasources.map(({ uid, type }) => [uid, type]));
    const leadTo = datasources.flatMap(({ jsonData }) => jsonData?.exemplarTraceIdDestinations ?? []);
    expect(leadTo.map(({ datasourceUid }) => types.get(datasourceUid))).toEqual(['jaeger']);
  });
});

it('every metric is shown on a dashboard', () => {
  const shown = files('deploy/grafana/dashboards').map(read).join('\n');
  expect(Object.values(METRICS).filter(({ name }) => !shown.includes(name))).toEqual([]);
});

it('the collector’s pipeline uses only components that are configured', () => {
  const config = parse(read('deploy/otel/collector.yaml')) as Record<string, Record<string, unknown>> & {
    service: { pipelines: { traces: Record<string, string[]> } };
  };
  for (const [kind, names] of Object.entries(config.service.pipelines.traces)) {
    for (const name of names) expect(Object.keys(config[kind] ?? {})).toContain(name);
  }
});
