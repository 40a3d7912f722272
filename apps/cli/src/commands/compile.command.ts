import { rename, rm, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { Command } from 'commander';
import { SconceError } from '@sconce/errors';
import { embedExternalData, encodeModel } from '@sconce/onnx';
import { compile } from '@sconce/torchscript';
import { modelOptions, type ModelOptions } from '../offline/model-options.ts';
import { openModel } from '../offline/offline-model.ts';
import { describeSignature } from '../output/signature-text.ts';
import { formatBytes } from '../output/model-text.ts';
import { Terminal } from '../output/terminal.ts';

interface Options extends ModelOptions {
  readonly output: string;
  readonly external?: boolean;
  readonly json?: boolean;
}

/** `sconce compile`: TorchScript to a portable ONNX file, offline. */
export function compileCommand(): Command {
  return modelOptions(
    new Command('compile').description('compile a TorchScript file to ONNX, without a server').argument('<file>', 'model.pt'),
  )
    .requiredOption('-o, --output <file>', 'the ONNX file to write')
    .option('--external', 'leave the weights in the .pt file, which must then lie beside the ONNX file')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  sconce compile model.pt -o model.onnx\n  sconce compile model.pt -o model.onnx --input x:float32[-1,3,224,224]',
    )
    .action(async (file: string, options: Options) => {
      await compileFile(file, options);
    });
}

/** Protobuf's own bound on a message, with room for what is not weights. */
const MAX_EMBEDDED_BYTES = 2 ** 31 - 2 ** 20;

async function compileFile(file: string, options: Options): Promise<void> {
  const terminal = new Terminal({ json: options.json === true });
  const started = performance.now();
  const model = await openModel(file);
  try {
    if (model.kind === 'onnx') {
      throw new SconceError('invalid_request', `${file} is an ONNX file already`, { details: { hint: 'There is nothing to compile.' } });
    }
    const compiled = await compile(model.archive, { ...options, archiveName: basename(file) });
    const portable =
      options.external === true
        ? compiled.model
        : await embedExternalData(compiled.model, ({ offset, length }) => model.source.read(offset, length), MAX_EMBEDDED_BYTES);
    const bytes = encodeModel(portable);
    await writeWhole(options.output, bytes);
    const ms = Math.round(performance.now() - started);
    const nodes = compiled.model.graph.nodes.length;
    terminal.result({
      file: options.output,
      bytes: bytes.byteLength,
      nodes,
      ms,
      inputs: compiled.signature.inputs,
      outputs: compiled.signature.outputs,
      warnings: compiled.warnings,
    });
    for (const warning of compiled.warnings) terminal.note(`warning: ${warning}`);
    terminal.print(describeSignature(compiled.signature));
    terminal.print(`${options.output}: ${formatBytes(bytes.byteLength)}, ${nodes} nodes, compiled in ${ms} ms`);
  } finally {
    await model.source.close();
  }
}

/** A file is there whole or not at all. */
async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const partial = `${path}.partial`;
  try {
    await writeFile(partial, bytes);
    await rename(partial, path);
  } catch (cause) {
    await rm(partial, { force: true });
    throw new SconceError('storage_unavailable', `cannot write ${path}`, { cause, details: { hint: 'Check the folder and the disk’s space.' } });
  }
}
