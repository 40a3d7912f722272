import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { SconceError, isRunFailure, toSconceError } from '@sconce/errors';
import {
  casesOf,
  decodeSafetensors,
  padRows,
  sliceRows,
  type CallCase,
  type Datatype,
  type Tensor,
} from '@sconce/tensor';
import type { OnnxSession } from './onnx-session.ts';
import type { ModelFile } from './thread-protocol.ts';
import { tensorDeviation } from './proof/compare-rows.ts';
import { modelGone } from './verify-files.ts';

/** Another processor or another layout of the weights gives other rounding errors. Relative to the output's magnitude. */
const TOLERANCE: Partial<Record<Datatype, number>> = { FP16: 5e-2, FP32: 5e-3, FP64: 1e-6 };

/**
 * Repeats the call of a check file. A session that gives other outputs than in its registration is not served.
 * @throws SconceError `model_corrupt`, `model_not_found` if the file is gone, `inference_failed` if the call does not run.
 */
export async function checkSession(session: OnnxSession, path: string): Promise<void> {
  const { inputs, call } = await readCall(session, path);
  const results = await runAll(session, inputs);
  for (const [i, result] of results.entries()) {
    const expected = call?.outputs[i];
    const deviation = expected === undefined ? Infinity : tensorDeviation(result, expected);
    if (deviation <= (TOLERANCE[result.datatype] ?? 0)) continue;
    throw new SconceError(
      'model_corrupt',
      `The model gives other numbers here than when it was proved: output "${result.name}" is off by ` +
        `${deviation.toExponential(1)} of its magnitude. Push the model again. If that does not help, check this machine for faults.`,
    );
  }
}

/** Makes the warm-up runs of a session that has just been loaded. */
export async function warmUp(session: OnnxSession, { check, warmup }: ModelFile): Promise<void> {
  if (check === undefined || warmup === undefined) return;
  const { inputs } = await readCall(session, check);
  for (const { rows, count } of warmup.runs) {
    const sized = inputs.map((input) =>
      warmup.rowInputs.includes(input.name) ? padRows(sliceRows(input, 0, 1), rows) : input,
    );
    for (let run = 0; run < count; run++) await runAll(session, sized);
  }
}

async function readCall(
  session: OnnxSession,
  path: string,
): Promise<{ readonly inputs: readonly Tensor[]; readonly call: CallCase | undefined }> {
  const [call] = await readCases(path);
  const inputs = session.signature.inputs.flatMap(({ name }, i) => {
    const tensor = call?.inputs[i];
    return tensor === undefined ? [] : [{ ...tensor, name }];
  });
  return { inputs, call };
}

async function readCases(path: string): Promise<readonly CallCase[]> {
  try {
    return casesOf(decodeSafetensors(await readFile(path)));
  } catch (cause) {
    if (!existsSync(path)) throw modelGone(path);
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SconceError('model_corrupt', `The model's check call can't be read (${reason}): push it again.`, {
      cause,
    });
  }
}

async function runAll(session: OnnxSession, inputs: readonly Tensor[]): Promise<Tensor[]> {
  const names = session.signature.outputs.map(({ name }) => name);
  try {
    return await session.run(inputs, names, new Map());
  } catch (thrown) {
    const error = toSconceError(thrown);
    // No caller sent these inputs.
    throw isRunFailure(error.code) ? new SconceError('inference_failed', error.message, { cause: error }) : error;
  }
}
