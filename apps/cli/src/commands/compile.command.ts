import { Command } from 'commander';
import { compile } from '@sconce/torchscript';
import { withModel, type TorchScriptFile } from '../offline/model-file.ts';
import { compileOptions, modelOptions, type ModelOptions } from '../offline/model-options.ts';
import { writeOnnx } from '../offline/onnx-output.ts';
import { outputPath } from '../files/output-file.ts';
import { UsageError } from '../output/failure.ts';
import { interruptible } from '../output/interruption.ts';
import { formatBytes } from '../output/text.ts';
import { describeSignature } from '../output/signature-text.ts';
import { Terminal } from '../output/terminal.ts';

interface Options extends ModelOptions {
  readonly output: string;
  readonly externalData?: boolean;
  readonly json?: boolean;
}

/** `sconce compile`: TorchScript to a portable ONNX file, offline. */
export function compileCommand(): Command {
  return modelOptions(
    new Command('compile')
      .description('compile a TorchScript file to ONNX, without a server')
      .argument('<file>', 'model.pt'),
  )
    .requiredOption('-o, --output <file>', 'the ONNX file to write')
    .option('--external-data', 'write the weights to a second file, OUTPUT.data; always done above 2 GiB')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  sconce compile model.pt -o model.onnx' +
        '\n  sconce compile model.pt -o model.onnx --input "x:float32[-1,3,224,224]"',
    )
    .action(async (file: string, options: Options) => {
      await withModel(file, async (model) => {
        if (model.kind === 'onnx')
          throw new UsageError(`${file} is already an ONNX file.`, 'Give a TorchScript file (torch.jit.save).');
        await compileFile(model, options);
      });
    });
}

async function compileFile({ path, archive, source }: TorchScriptFile, options: Options): Promise<void> {
  const terminal = new Terminal({ json: options.json === true });
  const output = await outputPath(options.output, [path]);
  const started = performance.now();
  const { model, signature, warnings } = await compile(archive, compileOptions(archive, options));
  const ms = Math.round(performance.now() - started);
  let bar: ReturnType<Terminal['progress']> | undefined;
  const written = await interruptible('The compilation', (signal) =>
    writeOnnx(model, {
      source,
      path: output,
      externalData: options.externalData === true,
      signal,
      onProgress: (done, total) => {
        bar ??= terminal.progress('writing', total, 'bytes');
        bar.update(done);
      },
    }),
  ).finally(() => bar?.stop());
  const nodes = model.graph.nodes.length;
  const { inputs, outputs, state, batch } = signature;
  terminal.result({
    file: written.file,
    bytes: written.bytes,
    data: written.data,
    nodes,
    compile_ms: ms,
    signature: { inputs, outputs, state: state.map(({ input, output }) => ({ input, output })), batch },
    warnings,
  });
  for (const warning of warnings) terminal.note(`warning: ${warning}`);
  terminal.print(describeSignature(signature));
  terminal.print(`wrote  ${written.file}: ${formatBytes(written.bytes)}, ${nodes} nodes, compiled in ${ms} ms`);
  if (written.data !== undefined) {
    terminal.print(`wrote  ${written.data.file}: ${formatBytes(written.data.bytes)}; keep it beside the ONNX file`);
  }
}
