import type { ModelVersion } from '@sconce/client';
import { formatSpec } from '@sconce/tensor';

/** A version's inputs, outputs and batch axis in a few lines. */
export function describeModel(model: ModelVersion): string {
  const lines = [
    `${model.name} version ${model.version}: ${model.status}, ${model.platform}, ${formatBytes(model.size_bytes)}`,
  ];
  for (const spec of model.signature?.inputs ?? []) lines.push(`  input   ${spec.name}  ${formatSpec(spec)}`);
  for (const spec of model.signature?.outputs ?? []) lines.push(`  output  ${spec.name}  ${formatSpec(spec)}`);
  if (model.batch !== undefined) lines.push(`  batch   ${model.batch.axis}: ${model.batch.evidence}`);
  if (model.error !== undefined) lines.push(`  error   ${model.error.message} (${model.error.code})`);
  return lines.join('\n');
}

/** 56619 → `55.3 KiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
