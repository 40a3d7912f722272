import { SconceError } from '@sconce/errors';
import { OPSET } from '@sconce/onnx';
import {
  compile,
  describeArchive,
  type ArchiveDescription,
  type CompiledSignature,
  type UnsupportedOp,
} from '@sconce/torchscript';
import { unsupportedHeadline, unsupportedOf } from '../output/unsupported-text.ts';
import type { TorchScriptFile } from './model-file.ts';
import { compileOptions, type ModelOptions } from './model-options.ts';

/** The content of a TorchScript file, and the result of compiling it. */
export interface ArchiveInspection extends ArchiveDescription {
  readonly method: string;
  readonly compiled: CompiledInspection | FailedInspection;
}

export interface CompiledInspection {
  readonly ok: true;
  readonly signature: CompiledSignature;
  /** PyTorch's operators with the number of calls, most used first. */
  readonly operators: readonly (readonly [string, number])[];
  readonly opset: number;
  readonly nodes: number;
  readonly warnings: readonly string[];
}

/** The reason why it does not compile. */
export interface FailedInspection {
  readonly ok: false;
  readonly reason: string;
  readonly unsupported: readonly UnsupportedOp[];
  /** Inputs whose type and rank are unknown. */
  readonly unknownInputs: readonly string[];
}

/**
 * Inspects a TorchScript file. If it does not compile, the result says so; that is not an error.
 *
 * @throws UsageError for options that do not fit the model; SconceError `model_invalid` if its code cannot be read.
 */
export async function inspectArchive({ archive }: TorchScriptFile, options: ModelOptions): Promise<ArchiveInspection> {
  const description = describeArchive(archive);
  const compilation = compileOptions(archive, options);
  const compiled = await compile(archive, compilation).then(
    ({ signature, operators, model, warnings }): CompiledInspection => ({
      ok: true,
      signature,
      operators: byCount(operators),
      opset: OPSET,
      nodes: model.graph.nodes.length,
      warnings,
    }),
    failedInspection,
  );
  return { ...description, method: options.method ?? 'forward', compiled };
}

/** Names with the number of uses, most used first. */
export function byCount(counts: ReadonlyMap<string, number>): (readonly [string, number])[] {
  return [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
}

function failedInspection(error: unknown): FailedInspection {
  if (!(error instanceof SconceError) || !['model_invalid', 'unsupported'].includes(error.code)) throw error;
  const inputs = error.details['inputs'];
  const unsupported = unsupportedOf(error);
  return {
    ok: false,
    reason: unsupported.length > 0 ? unsupportedHeadline(unsupported) : error.message,
    unsupported,
    unknownInputs: Array.isArray(inputs) ? inputs.map(String) : [],
  };
}
