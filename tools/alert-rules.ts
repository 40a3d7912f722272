/** Writes k8s/components/monitoring/alerts.yaml, the rules of deploy/prometheus/alerts.yml for the Prometheus operator: `npm run docs`. */
import { readFile, writeFile } from 'node:fs/promises';
import { format, resolveConfig } from 'prettier';
import { parse, stringify } from 'yaml';

/** The file in which the rules are written. */
export const RULES = new URL('../deploy/prometheus/alerts.yml', import.meta.url);
/** The file that the operator reads. */
export const MANIFEST = new URL('../k8s/components/monitoring/alerts.yaml', import.meta.url);

/** One rule in the form that Prometheus reads. */
export interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The groups of rules. */
export async function alertGroups(): Promise<readonly { readonly name: string; readonly rules: readonly Rule[] }[]> {
  const { groups } = parse(await readFile(RULES, 'utf8')) as { groups: { name: string; rules: Rule[] }[] };
  return groups;
}

/** The text of the manifest, made from the rules. */
export async function alertManifest(): Promise<string> {
  const manifest = {
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PrometheusRule',
    metadata: { name: 'sconce' },
    spec: { groups: await alertGroups() },
  };
  const text = `# Generated from deploy/prometheus/alerts.yml; \`npm run docs\` writes it anew.\n${stringify(manifest, { lineWidth: 0 })}`;
  return format(text, { ...(await resolveConfig(MANIFEST)), parser: 'yaml' });
}

if (import.meta.main) await writeFile(MANIFEST, await alertManifest());
