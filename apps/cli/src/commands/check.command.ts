import { Command } from 'commander';
import { SconceError } from '@sconce/errors';
import type { CompileOptions } from '@sconce/torchscript';
import { casesOf, readTensors, type Case } from '../offline/cases.ts';
import { compareOutput, type OutputReport, type Tolerance } from '../offline/compare.ts';
import { modelOptions, type ModelOptions } from '../offline/model-options.ts';
import { openModel, prepare, type OfflineModel, type RunnableModel } from '../offline/offline-model.ts';
import { numberOption } from '../output/options.ts';
import { Terminal } from '../output/terminal.ts';

interface Options extends ModelOptions, Tolerance {
  readonly json?: boolean;
}

/** `sconce check`: a model's outputs against PyTorch's own. */
export function checkCommand(): Command {
  return modelOptions(
    new Command('check')
      .description('run every call of a cases file and compare the outputs')
      .argument('<file>', 'model.pt or model.onnx')
      .argument('<cases>', 'safetensors file with k.in.i and k.out.j for every call k'),
  )
    .option('--rtol <number>', 'relative tolerance of floats', numberOption('--rtol'), 1e-4)
    .option('--atol <number>', 'absolute tolerance of floats', numberOption('--atol'), 1e-5)
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  sconce check model.pt cases.safetensors\n  sconce check model.onnx cases.safetensors --rtol 1e-3')
    .action(async (file: string, cases: string, options: Options) => {
      await check(file, cases, options);
    });
}

async function check(file: string, casesFile: string, options: Options): Promise<void> {
  const terminal = new Terminal({ json: options.json === true });
  const cases = casesOf(await readTensors(casesFile));
  const model = await openModel(file);
  const reports: OutputReport[] = [];
  const warnings = new Set<string>();
  try {
    const progress = terminal.progress('checking', cases.length, 'calls');
    await withRunnables(model, options, async (runnableFor) => {
      for (const [i, call] of cases.entries()) {
        const runnable = await runnableFor(call);
        for (const warning of runnable.warnings) warnings.add(warning);
        reports.push(...(await checkCall(runnable, call, options)));
        progress.update(i + 1);
      }
    }).finally(() => {
      progress.stop();
    });
  } finally {
    await model.source.close();
  }
  const off = reports.filter(({ ok }) => !ok);
  terminal.result({ ok: off.length === 0, calls: cases.length, outputs: reports, warnings: [...warnings] });
  for (const warning of warnings) terminal.note(`warning: ${warning}`);
  terminal.table(['CALL', 'OUTPUT', 'ELEMENTS', 'MAX ABS', 'MAX REL', 'OF SPREAD', ''], reports.map(toRow));
  terminal.print(off.length === 0 ? `all ${reports.length} outputs of ${cases.length} calls agree` : '');
  if (off.length === 0) return;
  throw new SconceError('model_invalid', `${off.length} of ${reports.length} outputs are off`, {
    details: { hint: 'Errors far below the output’s spread are rounding: loosen --rtol and --atol. Others are worth a report.' },
  });
}

/** Compiles the model once per form of call (number, dtypes and ranks of arguments), and releases all in the end. */
async function withRunnables(
  model: OfflineModel,
  options: CompileOptions,
  work: (runnableFor: (call: Case) => Promise<RunnableModel>) => Promise<void>,
): Promise<void> {
  const runnables = new Map<string, RunnableModel>();
  try {
    await work(async (call) => {
      const form = call.inputs.map(({ datatype, shape }) => `${datatype}:${shape.length}`).join();
      let runnable = runnables.get(form);
      if (runnable === undefined) {
        runnable = await prepare(model, call.inputs, options);
        runnables.set(form, runnable);
      }
      return runnable;
    });
  } finally {
    for (const runnable of runnables.values()) await runnable.release();
  }
}

async function checkCall(runnable: RunnableModel, call: Case, tolerance: Tolerance): Promise<OutputReport[]> {
  const outputs = await runnable.run(call.inputs);
  return call.outputs.map((expected, i) => {
    const actual = outputs[i];
    if (actual !== undefined) return compareOutput(call.call, expected, actual, tolerance);
    const none = { elements: 0, off: 0, maxAbs: 0, maxRel: 0, spreadRel: 0 };
    return { call: call.call, output: `output ${i}`, ok: false, reason: `is missing: the model gives ${outputs.length}`, ...none };
  });
}

function toRow(report: OutputReport): string[] {
  const { call, output, ok, elements, off, maxAbs, maxRel, spreadRel, reason } = report;
  const number = (value: number): string => (value === 0 ? '0' : value.toExponential(1));
  return [
    String(call),
    output,
    String(elements),
    number(maxAbs),
    number(maxRel),
    number(spreadRel),
    ok ? 'ok' : (reason ?? `${off} off`),
  ];
}
