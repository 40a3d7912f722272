import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';

/** The overlays that are for use as they are, or to begin from. */
export const OVERLAYS = ['local', 'production', 'scale-to-zero', 'backlog-seconds', 'pools'] as const;

export type Overlay = (typeof OVERLAYS)[number];

/** A container, as far as the checks look at it. */
export interface Container {
  readonly name: string;
  readonly image: string;
  readonly env?: readonly {
    readonly name: string;
    readonly value?: string;
    readonly valueFrom?: { readonly secretKeyRef?: { readonly name: string; readonly key: string } };
  }[];
  readonly envFrom?: readonly { readonly configMapRef?: { readonly name: string } }[];
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[];
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly [probe: string]: unknown;
}

/** A pod template's spec, as far as the checks look at it. */
export interface PodSpec {
  readonly containers: readonly Container[];
  readonly volumes?: readonly {
    readonly name: string;
    readonly secret?: { readonly secretName: string };
    readonly persistentVolumeClaim?: { readonly claimName: string };
  }[];
  readonly serviceAccountName?: string;
  readonly enableServiceLinks?: boolean;
  readonly terminationGracePeriodSeconds?: number;
  readonly securityContext?: { readonly runAsNonRoot?: boolean; readonly runAsUser?: number };
}

/** An object of Kubernetes. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly data?: Readonly<Record<string, string>>;
}

/** A workload with its pods. */
export interface Workload extends Manifest {
  readonly spec: {
    readonly replicas?: number;
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
    readonly template: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: PodSpec;
    };
  };
}

/** Whether manifests can be rendered here. */
export const HAS_KUBECTL = ((): boolean => {
  try {
    execFileSync('kubectl', ['version', '--client'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

/** What `kubectl apply -k` would send. */
export function render(overlay: Overlay): readonly Manifest[] {
  const folder = fileURLToPath(new URL(`../../k8s/overlays/${overlay}`, import.meta.url));
  const text = execFileSync('kubectl', ['kustomize', folder], { encoding: 'utf8', maxBuffer: 16 * 1024 ** 2 });
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
}

/** Those that have pods. */
export function workloads(manifests: readonly Manifest[]): readonly Workload[] {
  return manifests.filter(
    ({ kind }) => kind === 'Deployment' || kind === 'StatefulSet',
  ) as unknown as readonly Workload[];
}

/** Where the types and validators of an API version are. */
export function modelsOf(apiVersion: string): string {
  if (apiVersion.startsWith('keda.sh/')) return `@kubernetes-models/keda/${apiVersion}`;
  if (apiVersion.startsWith('monitoring.coreos.com/')) return `@kubernetes-models/prometheus-operator/${apiVersion}`;
  return `kubernetes-models/${apiVersion}`;
}
