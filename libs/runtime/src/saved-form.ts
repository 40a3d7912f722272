import { createRequire } from 'node:module';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { cpuClass } from './cpu-class.ts';
import { OnnxSession, type ModelSource } from './onnx-session.ts';

/** The names of a saved form's files in its folder. The model refers to its weights by name, so the names never change. */
export const FORM_FILES = { model: 'model.onnx', weights: 'weights.bin' } as const;

const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { readonly version: string };

/** The kind of machine that a saved form is for. Another kind of processor or version of ONNX Runtime needs another saved form. */
export interface FormTarget {
  readonly cpuClass: string;
  /** ONNX Runtime's version. */
  readonly runtime: string;
}

/** The target of this process. */
export function formTarget(): FormTarget {
  return { cpuClass: cpuClass(), runtime: version };
}

/**
 * Writes the model as ONNX Runtime has optimised it, with its weights in a separate file. `prepacked` writes the weights in the layout
 * of this processor's kernels: all sessions that load the form map one copy of them. Returns the names of the files in `folder`. Try
 * the files in a process that may die: 1.30 saves an LSTM's weights so that its first run crashes (measured).
 *
 * @throws SconceError `model_invalid` if the runtime refuses the model.
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
  // A model without large weights has no second file.
  return (await exists(FORM_FILES.weights)) ? [FORM_FILES.weights, FORM_FILES.model] : [FORM_FILES.model];
}
