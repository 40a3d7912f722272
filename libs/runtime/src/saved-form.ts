import { createRequire } from 'node:module';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { cpuClass } from './cpu-class.ts';
import { OnnxSession, type ModelSource } from './onnx-session.ts';

/** The names of a saved form's files in its folder; the second names the first, so they never change. */
export const FORM_FILES = { model: 'model.onnx', weights: 'weights.bin' } as const;

const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { readonly version: string };

/** What a saved form is good for: another processor or version of ONNX Runtime needs its own. */
export interface FormTarget {
  readonly cpuClass: string;
  /** ONNX Runtime's version. */
  readonly runtime: string;
}

/** That of this process. */
export function formTarget(): FormTarget {
  return { cpuClass: cpuClass(), runtime: version };
}

/**
 * Writes the model as ONNX Runtime has optimised it, its weights in a file of their own. `prepacked` lays them out for this
 * processor's kernels: sessions that load it map one copy of them, whatever their number. Answers the files written, which
 * lie in `folder`. Try them in a process that may die: 1.30 saves an LSTM's weights so that its first run crashes (measured).
 *
 * @throws SconceError `model_invalid` where the runtime refuses the model.
 */
export async function saveForm(
  model: ModelSource,
  folder: string,
  options: { readonly prepacked: boolean },
): Promise<readonly string[]> {
  const session = await OnnxSession.open(model, {
    intraOpThreads: 1,
    saveAs: { path: join(folder, FORM_FILES.model), weights: FORM_FILES.weights, ...options },
  });
  await session.release();
  const exists = async (name: string): Promise<boolean> =>
    stat(join(folder, name)).then(
      () => true,
      () => false,
    );
  // A model without large weights has no file of them.
  return (await exists(FORM_FILES.weights)) ? [FORM_FILES.weights, FORM_FILES.model] : [FORM_FILES.model];
}
