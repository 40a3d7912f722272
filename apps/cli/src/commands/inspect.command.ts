import { Command } from 'commander';
import { printGraph, Program } from '@sconce/torchscript';
import { inspectArchive, type ArchiveInspection } from '../offline/inspect-archive.ts';
import { inspectOnnx, type OnnxInspection } from '../offline/inspect-onnx.ts';
import { withModel, type OnnxFile, type TorchScriptFile } from '../offline/model-file.ts';
import { compileOptions, modelOptions, refuseModelOptions, type ModelOptions } from '../offline/model-options.ts';
import { UsageError, failure } from '../output/failure.ts';
import { archiveText, onnxText } from '../output/inspection-text.ts';
import { Terminal } from '../output/terminal.ts';

interface Options extends ModelOptions {
  readonly graph?: boolean;
  readonly inlined?: boolean;
  readonly json?: boolean;
}

/** `sconce inspect`: shows the content of a model file, and the result of compiling it. */
export function inspectCommand(): Command {
  return modelOptions(
    new Command('inspect')
      .description('show signature, weights and operators of a model file, and what is unsupported; without a server')
      .argument('<file>', 'model.pt or model.onnx'),
  )
    .option('--graph', 'print the graph of a TorchScript method as PyTorch prints it')
    .option('--inlined', 'like --graph, with calls of modules and functions inlined (PyTorch’s inlined_graph)')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  sconce inspect model.pt\n  sconce inspect model.pt --input "x:float32[-1,10]"\n  sconce inspect model.pt --graph',
    )
    .action(async (file: string, options: Options) => {
      await withModel(file, async (model) => {
        await (model.kind === 'onnx' ? inspectOnnxFile(file, model, options) : inspectPt(file, model, options));
      });
    });
}

async function inspectPt(file: string, model: TorchScriptFile, options: Options): Promise<void> {
  const terminal = new Terminal({ json: options.json === true });
  if (options.graph === true || options.inlined === true) {
    const { method } = compileOptions(model.archive, options);
    const graph = await printGraph(model.archive, new Program(model.archive.sources), {
      inlined: options.inlined === true,
      method,
    });
    terminal.result({ file, method: method ?? 'forward', graph });
    terminal.print(graph.trimEnd());
    return;
  }
  const inspection = await inspectArchive(model, options);
  terminal.result(archiveJson(file, model.source.size, inspection));
  terminal.print(archiveText(file, model.source.size, inspection));
  if (!inspection.compiled.ok) throw doesNotCompile(inspection.compiled.unknownInputs);
}

/** Ends the command with 1: a script that asks whether the model can be served reads the exit code. */
function doesNotCompile(unknownInputs: readonly string[]): Error {
  const flags = unknownInputs.map((name) => `--input ${name}:float32[-1,10]`).join(' ');
  const hint = flags === '' ? 'The report says why.' : `Say what the inputs are, for example ${flags}`;
  return failure('model_invalid', 'The model does not compile.', { hint });
}

async function inspectOnnxFile(file: string, model: OnnxFile, options: Options): Promise<void> {
  const terminal = new Terminal({ json: options.json === true });
  refuseModelOptions(options);
  if (options.graph === true || options.inlined === true) {
    throw new UsageError('--graph and --inlined are for TorchScript files.', 'Leave them out.');
  }
  const inspection = await inspectOnnx(model);
  terminal.result(onnxJson(file, model.source.size, inspection));
  terminal.print(onnxText(file, model.source.size, inspection));
}

function archiveJson(file: string, bytes: number, inspection: ArchiveInspection): object {
  const { version, origin, pytorch2, className, methods, modules, parameters, buffers, weights } = inspection;
  const { method, compiled } = inspection;
  return {
    file,
    format: 'torchscript',
    size_bytes: bytes,
    archive_version: version,
    origin: origin ?? null,
    pytorch: pytorch2 ? '>=2' : null,
    module: { class: className, methods, modules, parameters, buffers },
    weights: {
      size_bytes: weights.bytes,
      by_dtype: weights.byDtype.map(({ dtype, tensors, bytes: size }) => ({ dtype, tensors, size_bytes: size })),
      shared: weights.shared,
      strided: weights.strided,
    },
    method,
    ...(compiled.ok
      ? {
          compiles: true,
          signature: {
            ...compiled.signature,
            state: compiled.signature.state.map(({ input, output, dtype, shape }) => ({ input, output, dtype, shape })),
          },
          operators: Object.fromEntries(compiled.operators),
          onnx: { opset: compiled.opset, nodes: compiled.nodes },
          warnings: compiled.warnings,
        }
      : {
          compiles: false,
          reason: compiled.reason,
          unsupported: compiled.unsupported,
          unknown_inputs: compiled.unknownInputs,
        }),
  };
}

function onnxJson(file: string, bytes: number, inspection: OnnxInspection): object {
  const { irVersion, opsets, producer, inputs, outputs, operators, nodes, metadata } = inspection;
  const { initializers, weightBytes, externalBytes, externalFiles } = inspection;
  return {
    file,
    format: 'onnx',
    size_bytes: bytes,
    ir_version: irVersion,
    opsets,
    producer,
    inputs: inputs.map((info) => ({ ...info, shape: info.shape ?? null })),
    outputs: outputs.map((info) => ({ ...info, shape: info.shape ?? null })),
    nodes,
    operators: Object.fromEntries(operators),
    weights: {
      tensors: initializers,
      size_bytes: weightBytes,
      external_bytes: externalBytes,
      external_files: externalFiles,
    },
    metadata,
  };
}
