import { SconceError, isRunFailure } from '@sconce/errors';
import {
  compareOutput,
  failedReport,
  type CallCase,
  type OutputReport,
  type Tensor,
  type Tolerance,
} from '@sconce/tensor';
import { countOf } from '../output/text.ts';
import type { ModelFile } from './model-file.ts';
import type { ModelOptions } from './model-options.ts';
import { prepare, type ModuleState, type RunnableModel } from './runnable-model.ts';

/** How cases are checked. */
export interface CheckOptions extends ModelOptions, Tolerance {
  /** Called after each call with the number of calls that are done. */
  readonly onCall: (done: number) => void;
}

/** The result of running all cases. */
export interface CheckReport {
  readonly outputs: readonly OutputReport[];
  readonly warnings: readonly string[];
}

/**
 * Runs all calls in order and compares the outputs. They are calls of one module, which keeps its state. The model is
 * compiled again when a call has another form than the call before: another number of arguments, or other dtypes, ranks
 * or numbers. A call that fails is in the report.
 *
 * @throws UsageError; SconceError `model_invalid` if the model cannot be compiled for a call.
 */
export async function checkCases(
  model: ModelFile,
  cases: readonly CallCase[],
  options: CheckOptions,
): Promise<CheckReport> {
  const state: ModuleState = new Map();
  const outputs: OutputReport[] = [];
  const warnings = new Set<string>();
  let current: { readonly form: string; readonly runnable: RunnableModel } | undefined;
  try {
    for (const [i, one] of cases.entries()) {
      const form = formOf(one);
      if (current?.form !== form) {
        await current?.runnable.release();
        current = undefined;
        const runnable = await prepare(model, { tensors: one.inputs, byName: false }, { ...options, state });
        current = { form, runnable };
        for (const warning of runnable.warnings) warnings.add(warning);
      }
      outputs.push(...(await checkCase(current.runnable, one, options)));
      options.onCall(i + 1);
    }
  } finally {
    await current?.runnable.release();
  }
  return { outputs, warnings: [...warnings] };
}

/** The form that a model is compiled for: datatypes, ranks, and the values of numbers, which may have to be fixed. */
function formOf({ inputs }: CallCase): string {
  const texts = inputs.map(({ datatype, shape, data }) =>
    shape.length === 0 ? `${datatype}=${data.toString()}` : `${datatype}:${shape.length}`,
  );
  return texts.join(';');
}

async function checkCase(runnable: RunnableModel, one: CallCase, tolerance: Tolerance): Promise<OutputReport[]> {
  const { call, inputs, outputs: expected } = one;
  let actual: readonly Tensor[];
  try {
    actual = runnable.spread(await runnable.run({ tensors: inputs, byName: false }));
  } catch (error) {
    const ofThisCall = error instanceof SconceError && (isRunFailure(error.code) || error.code === 'invalid_tensor');
    if (!ofThisCall) throw error;
    return [failedReport(call, 'all', error.message)];
  }
  const length = Math.max(expected.length, actual.length);
  return Array.from({ length }, (_, i) => {
    const [want, got] = [expected[i], actual[i]];
    if (want === undefined)
      return failedReport(
        call,
        got?.name ?? '',
        `is not in the cases: they have ${countOf(expected.length, 'output')}`,
      );
    if (got === undefined)
      return failedReport(call, `output ${i}`, `is missing: the model has ${countOf(actual.length, 'output')}`);
    return compareOutput(call, want, got, tolerance);
  });
}
