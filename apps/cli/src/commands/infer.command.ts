import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { SconceClient } from '@sconce/client';
import { decodeJsonData, encodeJsonData, formatSpec, type Tensor, type TensorSpec } from '@sconce/tensor';
import type { CliConfig } from '../config.ts';
import { UsageError } from '../output/failure.ts';
import { Terminal } from '../output/terminal.ts';

interface InferOptions {
  readonly version?: string;
  readonly input: readonly string[];
  readonly in?: string;
  readonly binary?: boolean;
  readonly json?: boolean;
}

/** `sconce infer`: one request. */
export function inferCommand(config: CliConfig): Command {
  return new Command('infer')
    .description('run one request and print the outputs')
    .argument('<model>')
    .option('--version <number>', 'default: the newest that is ready')
    .option(
      '--input <name=json>',
      'an input’s values as JSON, nested as its shape; may be repeated',
      (text: string, all: readonly string[]) => [...all, text],
      [],
    )
    .option('--in <file>', 'inputs from a JSON file {"name": values, …}; - for stdin')
    .option('--binary', 'send and receive binary tensors instead of JSON')
    .option('--json', 'print the outputs as JSON')
    .addHelpText('after', "\nExample:\n  sconce infer affine --input 'x=[[1, 2, 3, 4]]'")
    .action(async (model: string, options: InferOptions) => {
      await infer(config, model, options);
    });
}

async function infer(config: CliConfig, model: string, options: InferOptions): Promise<void> {
  const terminal = new Terminal({ json: options.json === true });
  const values = readValues(options);
  const client = new SconceClient({ url: config.url });
  const version = options.version === undefined ? {} : { version: options.version };
  const metadata = await client.metadata(model, options.version);
  const inputs = Object.entries(values).map(([name, value]) => toTensor(name, value, metadata.inputs));
  const result = await client.infer(model, { inputs, binary: options.binary === true }, version);
  const outputs = result.outputs.map((output) => ({
    name: output.name,
    datatype: output.datatype,
    shape: output.shape,
    data: JSON.parse(encodeJsonData(output, 'allow')) as unknown[],
  }));
  const { timing } = result;
  terminal.result({ model_name: result.modelName, model_version: result.modelVersion, outputs, timing });
  for (const output of outputs) terminal.print(`${output.name} ${formatSpec(output)}\n${formatRows(output)}`);
  terminal.note(`queue ${timing.queueMs} ms, batch ${timing.batchMs} ms, run ${timing.runMs} ms`);
}

function readValues(options: InferOptions): Record<string, unknown> {
  const values: Record<string, unknown> = options.in === undefined ? {} : readFile(options.in);
  for (const text of options.input) {
    const at = text.indexOf('=');
    if (at <= 0)
      throw new UsageError(`--input takes name=JSON, not "${text}".`, "For example --input 'x=[[1, 2, 3]]'.");
    values[text.slice(0, at)] = parse(text.slice(at + 1), `--input ${text.slice(0, at)}`);
  }
  if (Object.keys(values).length === 0) {
    throw new UsageError('No inputs are given.', "Give each as --input 'name=[[…]]', or all with --in FILE.");
  }
  return values;
}

function readFile(file: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new UsageError(`${file} can’t be read: ${(error as Error).message}.`, 'Give a JSON file, or - for stdin.');
  }
  const value = parse(text, file);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError(`${file} does not hold a JSON object.`, 'It must be {"input name": values, …}.');
  }
  return value as Record<string, unknown>;
}

function parse(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${where} is not JSON: ${(error as Error).message}.`, 'Strings need quotes: ["a", "b"].');
  }
}

/** A tensor shaped by how the values are nested, with the dtype the model has for the input. */
function toTensor(name: string, value: unknown, specs: readonly TensorSpec[]): Tensor {
  const spec = specs.find((candidate) => candidate.name === name);
  if (spec === undefined) {
    const known = specs.map((candidate) => candidate.name).join(', ');
    throw new UsageError(`The model has no input "${name}".`, `Its inputs are ${known}.`);
  }
  const shape: number[] = [];
  for (let level = value; Array.isArray(level); level = (level as unknown[])[0]) shape.push(level.length);
  const data = Array.isArray(value) ? value : [value];
  return decodeJsonData({ name, datatype: spec.datatype, shape }, data, 'reject');
}

function formatRows({ shape, data }: { shape: readonly number[]; data: readonly unknown[] }): string {
  const rows = shape.length > 1 ? (shape[0] ?? 1) : 1;
  const width = rows === 0 ? 0 : data.length / rows;
  return Array.from({ length: rows }, (_, row) => {
    const cells = data
      .slice(row * width, (row + 1) * width)
      .map((cell) => (typeof cell === 'string' ? cell : JSON.stringify(cell)));
    return `  ${cells.join('  ')}`;
  }).join('\n');
}
