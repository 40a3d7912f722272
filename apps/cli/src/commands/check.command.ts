import { Command } from 'commander';
import { casesOf, type OutputReport, type Tolerance } from '@sconce/tensor';
import { checkCases } from '../offline/check-cases.ts';
import { withModel } from '../offline/model-file.ts';
import { modelOptions, type ModelOptions } from '../offline/model-options.ts';
import { readTensors } from '../offline/tensor-file.ts';
import { failure } from '../output/failure.ts';
import { numberOption } from '../output/options.ts';
import { Terminal } from '../output/terminal.ts';

interface Options extends ModelOptions, Tolerance {
  readonly json?: boolean;
}

/** `sconce check`: compares a model's outputs with the outputs of PyTorch. */
export function checkCommand(): Command {
  return modelOptions(
    new Command('check')
      .description('run every call of a cases file and compare the outputs, without a server')
      .argument('<file>', 'model.pt or model.onnx')
      .argument('<cases>', 'safetensors file with inputs k.in.i and outputs k.out.j of every call k'),
  )
    .option('--rtol <number>', 'relative tolerance of floats', numberOption('--rtol'), 1e-4)
    .option('--atol <number>', 'absolute tolerance of floats', numberOption('--atol'), 1e-5)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  sconce check model.pt cases.safetensors\n  sconce check model.onnx cases.safetensors --rtol 1e-3',
    )
    .action(async (file: string, cases: string, options: Options) => {
      await check(file, cases, options);
    });
}

async function check(file: string, casesFile: string, options: Options): Promise<void> {
  const terminal = new Terminal({ json: options.json === true });
  const cases = casesOf(await readTensors(casesFile));
  const { outputs, warnings } = await withModel(file, async (model) => {
    const bar = terminal.progress('checking', cases.length, 'calls');
    return checkCases(model, cases, { ...options, onCall: bar.update }).finally(bar.stop);
  });
  const off = outputs.filter(({ ok }) => !ok);
  terminal.result({ ok: off.length === 0, calls: cases.length, outputs: outputs.map(toJson), warnings });
  for (const warning of warnings) terminal.note(`warning: ${warning}`);
  terminal.table(['CALL', 'OUTPUT', 'ELEMENTS', 'MAX ABS', 'MAX REL', 'OF SPREAD', ''], outputs.map(toRow));
  if (off.length === 0) {
    terminal.print(`all ${outputs.length} outputs of ${cases.length} calls agree`);
    return;
  }
  throw failure('inference_failed', `${off.length} of ${outputs.length} outputs are off.`, {
    hint: off.some(({ reason }) => reason !== undefined)
      ? 'The table says what is wrong; `sconce inspect FILE` prints the inputs and outputs of the model.'
      : 'An error far below the spread is rounding: give larger --rtol and --atol. Please report larger ones.',
  });
}

/** A number that JSON cannot hold (an infinite error) is null. */
function toJson(report: OutputReport): object {
  const { call, output, ok, reason, elements, off, maxAbs, maxRel, spreadRel } = report;
  const numbers = { elements, off, max_abs: maxAbs, max_rel: maxRel, max_of_spread: spreadRel };
  return { call, output, ok, ...(reason === undefined ? numbers : { reason }) };
}

function toRow(report: OutputReport): string[] {
  const { call, output, ok, elements, off, maxAbs, maxRel, spreadRel, reason } = report;
  if (reason !== undefined) return [String(call), output, '-', '-', '-', '-', reason];
  const numbers = [maxAbs, maxRel, spreadRel].map((value) =>
    value === 0 || !Number.isFinite(value) ? String(value) : value.toExponential(1),
  );
  return [String(call), output, String(elements), ...numbers, ok ? 'ok' : `${off} off`];
}
