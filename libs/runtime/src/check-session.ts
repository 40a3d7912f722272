import { readFile } from 'node:fs/promises';
import { SconceError } from '@sconce/errors';
import { casesOf, decodeSafetensors, type Datatype } from '@sconce/tensor';
import type { OnnxSession } from './onnx-session.ts';
import { tensorDeviation } from './proof/compare-rows.ts';

/** Other processors and layouts of the weights round otherwise. Relative to the output's magnitude. */
const TOLERANCE: Partial<Record<Datatype, number>> = { FP16: 5e-2, FP32: 5e-3, FP64: 1e-6 };

/**
 * Repeats the call of a check file: a session that gives other outputs than registration saw is not served.
 * @throws SconceError `model_corrupt`.
 */
export async function checkSession(session: OnnxSession, path: string): Promise<void> {
  const [call] = casesOf(decodeSafetensors(await readFile(path)));
  const { inputs, outputs } = session.signature;
  const feeds = inputs.flatMap(({ name }, i) => {
    const tensor = call?.inputs[i];
    return tensor === undefined ? [] : [{ ...tensor, name }];
  });
  const results = await session.run(
    feeds,
    outputs.map(({ name }) => name),
    new Map(),
  );
  for (const [i, result] of results.entries()) {
    const expected = call?.outputs[i];
    const deviation = expected === undefined ? Infinity : tensorDeviation(result, expected);
    if (deviation <= (TOLERANCE[result.datatype] ?? 0)) continue;
    throw new SconceError(
      'model_corrupt',
      `The model gives other numbers here than when it was proved: output "${result.name}" is off by ` +
        `${deviation.toExponential(1)} of its magnitude. Push it again, and look for a faulty machine if that does not help.`,
    );
  }
}
