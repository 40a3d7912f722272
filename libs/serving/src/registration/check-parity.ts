import type { ModelParity, ParityOutput } from '@sconce/contracts';
import { SconceError, isRunFailure } from '@sconce/errors';
import {
  compareOutput,
  failedReport,
  type CallCase,
  type OutputReport,
  type Tensor,
  type Tolerance,
} from '@sconce/tensor';
import { spreadLists } from '@sconce/torchscript';
import type { LoadedArtifact } from './load-artifact.ts';

/** The tolerance of outputs if the config does not set one. */
export const DEFAULT_TOLERANCE: Tolerance = { rtol: 1e-4, atol: 1e-5 };

/** Runs the calls of all cases in order, as calls of one module that keeps its state, and compares the outputs. */
export async function checkParity(
  model: LoadedArtifact,
  cases: readonly CallCase[],
  tolerance: Tolerance,
): Promise<ModelParity> {
  const state = new Map(model.state);
  const reports: OutputReport[] = [];
  for (const one of cases) reports.push(...(await checkCase(model, one, state, tolerance)));
  const outputs = [...new Set(reports.map(({ output }) => output))].map((name) =>
    summary(
      name,
      reports.filter(({ output }) => output === name),
    ),
  );
  return { ok: outputs.every(({ ok }) => ok), calls: cases.length, ...tolerance, outputs };
}

async function checkCase(
  model: LoadedArtifact,
  { call, inputs, outputs: expected }: CallCase,
  state: Map<string, Tensor>,
  tolerance: Tolerance,
): Promise<OutputReport[]> {
  const { session } = model;
  let actual: Tensor[];
  try {
    const bound = model.bind({ tensors: inputs, byName: false }, state);
    const names = session.signature.outputs.map(({ name }) => name);
    actual = (await session.run(bound, names, new Map())).map((output) => ({ ...output, data: output.data.slice() }));
  } catch (error) {
    const ofThisCall = error instanceof SconceError && (isRunFailure(error.code) || error.code === 'invalid_tensor');
    if (!ofThisCall) throw error;
    return [failedReport(call, 'all', `call ${call}: ${error.message}`)];
  }
  const results = actual.filter((output) => {
    const input = model.stateInputs.get(output.name);
    if (input !== undefined) state.set(input, { ...output, name: input });
    return input === undefined;
  });
  const own = spreadLists(results, model.lists);
  return Array.from({ length: Math.max(expected.length, own.length) }, (_, i) => {
    const [want, got] = [expected[i], own[i]];
    if (want === undefined)
      return failedReport(call, got?.name ?? '', `is not among the cases: they have ${expected.length}`);
    if (got === undefined) return failedReport(call, `output ${i}`, `is missing: the model gives ${own.length}`);
    return compareOutput(call, want, got, tolerance);
  });
}

function summary(name: string, reports: readonly OutputReport[]): ParityOutput {
  const sum = (field: 'elements' | 'off'): number => reports.reduce((total, report) => total + report[field], 0);
  const most = (field: 'maxAbs' | 'maxRel' | 'spreadRel'): number | null => {
    const value = Math.max(...reports.map((report) => report[field]));
    return Number.isFinite(value) ? value : null;
  };
  const reason = reports.find((report) => report.reason !== undefined)?.reason;
  return {
    name,
    ok: reports.every(({ ok }) => ok),
    elements: sum('elements'),
    off: sum('off'),
    max_abs: most('maxAbs'),
    max_rel: most('maxRel'),
    spread_rel: most('spreadRel'),
    reason,
  };
}

/** The error for a model whose outputs differ from the outputs of its cases. */
export function parityError({ outputs, rtol, atol, calls }: ModelParity): SconceError {
  const off = outputs.filter(({ ok }) => !ok);
  const described = off
    .slice(0, 3)
    .map(({ name, reason, off: count, elements, max_abs: abs, spread_rel: spread }) =>
      reason === undefined
        ? `"${name}" is off in ${count} of ${elements} elements, by up to ${abs === null ? 'infinity or NaN' : abs.toExponential(1)}` +
          (spread === null ? '' : ` (${spread.toExponential(1)} of the output's spread)`)
        : `"${name}" ${reason}`,
    );
  return new SconceError(
    'parity_failed',
    `the model does not give the outputs of its cases (${calls} calls, rtol ${rtol}, atol ${atol}): ${described.join('; ')}. ` +
      `If the differences are rounding, push the model with a larger --tolerance. If not, check that the cases were made with this model and with model.eval()`,
  );
}
