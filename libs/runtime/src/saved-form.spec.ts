import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Tensor, TensorSpec } from '@sconce/tensor';
import { fixturePath, temporaryFolder, type FixtureModel } from '@sconce/testing';
import { cpuClass } from './cpu-class.ts';
import { OnnxSession, type ModelSource } from './onnx-session.ts';
import { tensorDeviation } from './proof/compare-rows.ts';
import { seededTensor } from './proof/seeded-tensors.ts';
import { FORM_FILES, formTarget, saveForm } from './saved-form.ts';

const folder = temporaryFolder('form');
let folders = 0;
const emptyFolder = (): string => {
  const path = join(folder, String(folders++));
  mkdirSync(path);
  return path;
};

const sizesOf = ({ shape }: TensorSpec): readonly number[] => shape.map((size) => (size === -1 ? 3 : size));

/** A model's outputs on seeded inputs, which are always the same. */
async function outputsOf(model: ModelSource): Promise<readonly Tensor[]> {
  const session = await OnnxSession.open(model, { intraOpThreads: 1 });
  const { inputs, outputs } = session.signature;
  const tensors = inputs.map((spec, i) => seededTensor(spec, sizesOf(spec), { low: -1, high: 1, below: 9 }, i + 1));
  const results = await session.run(
    tensors,
    outputs.map(({ name }) => name),
    new Map(),
  );
  const kept = results.map((output) => ({ ...output, data: output.data.slice() }));
  await session.release();
  return kept;
}

async function signatureOf(model: ModelSource): Promise<OnnxSession['signature']> {
  const session = await OnnxSession.open(model, { intraOpThreads: 1 });
  await session.release();
  return session.signature;
}

const FORMS = [
  ['prepacked', { prepacked: true }],
  ['plain', { prepacked: false }],
] as const;

describe.each(FORMS)('a %s form', (_, options) => {
  it.each<FixtureModel>(['affine', 'simple', 'lookup', 'every-type', 'nonzero', 'row-mixing', 'slow'])(
    'of %s loads, and gives what the model gives',
    async (name) => {
      const model = fixturePath(name);
      const into = emptyFolder();
      const files = await saveForm(model, into, options);
      // The model's file comes last: it refers to the other file.
      expect(files.at(-1)).toBe(FORM_FILES.model);
      expect([...files].sort()).toEqual(readdirSync(into).sort());
      const form = join(into, FORM_FILES.model);
      expect(await signatureOf(form)).toEqual(await signatureOf(model));
      const [expected, outputs] = [await outputsOf(model), await outputsOf(form)];
      expect(outputs.map(({ name: output }) => output)).toEqual(expected.map(({ name: output }) => output));
      expect(expected.length).toBeGreaterThan(0);
      for (const [i, output] of outputs.entries())
        expect(tensorDeviation(output, expected[i] as Tensor)).toBeLessThan(1e-6);
    },
  );

  it('has its weights in a second file, and finds it in the same folder', async () => {
    const into = emptyFolder();
    // Expressions of constants are computed once: two matrices of 192x192 that are not in the model's file.
    expect(statSync(fixturePath('slow')).size).toBeLessThan(2_000);
    expect(await saveForm(fixturePath('slow'), into, options)).toEqual([FORM_FILES.weights, FORM_FILES.model]);
    const [form, weights] = [join(into, FORM_FILES.model), join(into, FORM_FILES.weights)];
    expect(statSync(weights).size).toBeGreaterThanOrEqual(192 * 192 * 4);
    expect(statSync(form).size).toBeLessThan(10_000);
    const expected = await outputsOf(form);

    const elsewhere = join(folder, `moved-${folders++}`);
    renameSync(into, elsewhere);
    expect(await outputsOf(join(elsewhere, FORM_FILES.model))).toEqual(expected);
    // The weights are read from that file only.
    rmSync(join(elsewhere, FORM_FILES.weights));
    await expect(outputsOf(join(elsewhere, FORM_FILES.model))).rejects.toMatchObject({ code: 'model_invalid' });
  });

  it('is one file for a model without large weights', async () => {
    const into = emptyFolder();
    expect(await saveForm(fixturePath('affine'), into, options)).toEqual([FORM_FILES.model]);
    expect(existsSync(join(into, FORM_FILES.weights))).toBe(false);
  });

  it('is the same for a model in memory and for its file', async () => {
    const into = emptyFolder();
    const bytes = new Uint8Array(readFileSync(fixturePath('slow')));
    expect(await saveForm({ bytes, externalFolder: folder }, into, options)).toEqual([
      FORM_FILES.weights,
      FORM_FILES.model,
    ]);
    expect(await outputsOf(join(into, FORM_FILES.model))).toEqual(await outputsOf(fixturePath('slow')));
  });

  it('is refused for a file that is not a model, and leaves no files', async () => {
    const into = emptyFolder();
    const path = join(folder, `${folders++}.onnx`);
    writeFileSync(path, 'no model');
    await expect(saveForm(path, into, options)).rejects.toMatchObject({ code: 'model_invalid' });
    expect(readdirSync(into)).toEqual([]);
  });

  it('is refused with the reason if it cannot be written', async () => {
    await expect(saveForm(fixturePath('affine'), join(folder, 'nowhere'), options)).rejects.toMatchObject({
      code: 'model_invalid',
    });
  });
});

describe('formTarget', () => {
  it('names this processor and the installed version of ONNX Runtime', () => {
    const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string };
    expect(formTarget()).toEqual({ cpuClass: cpuClass(), runtime: version });
  });
});
