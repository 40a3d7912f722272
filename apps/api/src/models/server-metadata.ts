import type { ServerMetadata } from '@sconce/contracts';
import { VERSION } from '../version.ts';

/** The protocol extensions of every server. */
const EXTENSIONS = [
  'binary_tensor_data',
  'classification',
  'model_configuration',
  'parameters',
  'schedule_policy',
  'statistics',
] as const;
/** Those of a server whose models can be loaded and unloaded. */
const REPOSITORY = ['model_repository', 'model_repository(unload_dependents)'] as const;

/** The server as the protocol describes it. @param options.repository whether models can be loaded and unloaded. */
export function serverMetadata({ repository }: { readonly repository: boolean }): ServerMetadata {
  return { name: 'sconce', version: VERSION, extensions: [...EXTENSIONS, ...(repository ? REPOSITORY : [])].sort() };
}
