import { describe, expect, it } from 'vitest';
import { SconceError } from '@sconce/errors';
import type { Tensor } from '@sconce/tensor';
import { compileArchive, type CompiledArchive } from '../support/compiled-archive.ts';
import { difference } from './agreement.ts';
import { archivePath, families, optionsOf, readCase, type CaseRow } from './cases.ts';
import { EXPECTED_FAILURES } from './expected-failures.ts';
import { REFUSAL_REASONS } from './refusal-reasons.ts';

for (const { family, rows } of families()) {
  describe(family, () => {
    for (const row of rows) {
      const reason = EXPECTED_FAILURES[`${family}/${row.name}`];
      const test = reason === undefined ? it : it.fails;
      test(reason === undefined ? row.name : `${row.name} (${reason})`, async () => {
        if (row.refused === true) await expectRefusal(family, row);
        else await expectAgreement(family, row);
      });
    }
  });
}

/** Checks that the compiler refuses a model that PyTorch runs. */
async function expectRefusal(family: string, row: CaseRow): Promise<void> {
  const refused = await compileArchive(archivePath(family, row.name), []).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(SconceError);
  expect((refused as SconceError).code).toBe('model_invalid');
  const reason = REFUSAL_REASONS[`${family}/${row.name}`];
  if (reason !== undefined) expect((refused as SconceError).message).toMatch(reason);
}

/** Compiles an archive for each form of its calls and compares all outputs with PyTorch's. */
async function expectAgreement(family: string, row: CaseRow): Promise<void> {
  const tensors = readCase(family, row.name);
  const compiled = new Map<string, CompiledArchive>();
  try {
    for (const [k, call] of row.calls.entries()) {
      const args = tensors(k, 'in');
      const form = JSON.stringify([call.args, args.map(({ datatype, shape }) => [datatype, shape.length])]);
      const run = async (): Promise<Tensor[]> => {
        const model =
          compiled.get(form) ??
          (await compileArchive(archivePath(family, row.name), args, (archive, flat) =>
            optionsOf(call, archive, flat),
          ));
        compiled.set(form, model);
        return model.run(args);
      };
      if (call.raises !== undefined) {
        // A model that raises because of shapes must fail. One that raises because of data only gives a warning.
        const failed = await run().then(
          () => false,
          (error: unknown) => error instanceof SconceError,
        );
        const warned = compiled.get(form)?.compiled.warnings.some((warning) => warning.includes('raises')) === true;
        expect(failed || warned, `call ${k} raises in PyTorch`).toBe(true);
        continue;
      }
      const outputs = await run();
      const [expected, references] = [tensors(k, 'out'), tensors(k, 'ref')];
      expect(outputs.length, `outputs of call ${k}`).toBe(expected.length);
      for (const [i, want] of expected.entries()) {
        const got = outputs[i] as Tensor;
        const values = row.random === true ? { ...want, data: got.data } : want;
        expect(difference(got, values, references[i], row.tolerance), `call ${k}, output ${i}`).toBeUndefined();
      }
    }
  } finally {
    for (const model of compiled.values()) await model[Symbol.asyncDispose]();
  }
}
