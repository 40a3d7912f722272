import type { ModelStatus } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import type { ModelManifest } from './model-manifest.ts';

/**
 * The next statuses of each status. Steps may be skipped, such as for a model with nothing to optimise. A registration whose worker
 * died starts again at `compiling`. `ready` and `failed` are final: another upload of a failed version starts from the beginning.
 */
const NEXT: Readonly<Record<ModelStatus, readonly ModelStatus[]>> = {
  receiving: ['compiling', 'failed'],
  compiling: ['proving', 'optimising', 'ready', 'failed'],
  proving: ['compiling', 'optimising', 'ready', 'failed'],
  optimising: ['compiling', 'ready', 'failed'],
  ready: [],
  failed: [],
};

/** Whether an update may change one status into another. An unchanged status is always allowed. */
export function isLegalTransition(from: ModelStatus, to: ModelStatus): boolean {
  return from === to || NEXT[from].includes(to);
}

/** @throws SconceError `internal` if the step from `before` to `after` is not allowed: a bug, or a job that ran twice. */
export function checkTransition(before: ModelManifest, after: ModelManifest): void {
  const what = `version ${before.version} of model ${before.name}`;
  if (!isLegalTransition(before.status, after.status)) {
    const allowed = NEXT[before.status].join(', ') || 'nothing else';
    throw new SconceError(
      'internal',
      `${what} cannot go from "${before.status}" to "${after.status}": only to ${allowed}`,
    );
  }
  if (before.status === 'ready' && JSON.stringify(before.signature) !== JSON.stringify(after.signature)) {
    throw new SconceError('internal', `${what} is ready, so its signature is fixed: push a new version instead`);
  }
}
