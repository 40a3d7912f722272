import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { SconceError } from '@sconce/errors';
import { decodeJsonData, formatSpec, type Tensor, type TensorSpec } from '@sconce/tensor';
import type { CliConfig } from '../config.ts';
import { UsageError } from '../output/failure.ts';
import { printOutputs } from '../output/outputs-text.ts';
import { Terminal } from '../output/terminal.ts';
import { connect } from './connect.ts';
import { infer, modelMetadata } from './inference-calls.ts';

interface InferOptions {
  readonly version?: string;
  readonly input: readonly string[];
  readonly in?: string;
  readonly binary?: boolean;
  readonly async?: boolean;
  readonly json?: boolean;
}

/** `sconce infer`: sends one request. */
export function inferCommand(config: CliConfig): Command {
  return new Command('infer')
    .description('send one request to a model and print the outputs')
    .argument('<model>')
    .option('--version <number>', 'version of the model; default: the one that is served')
    .option(
      '--input <name=json>',
      'values of an input as JSON, nested like its shape; may be repeated',
      (text: string, all: readonly string[]) => [...all, text],
      [],
    )
    .option('--in <file>', 'JSON file with the inputs: {"name": values, …} or a whole protocol request; - reads stdin')
    .option('--binary', 'send and receive binary tensors instead of JSON')
    .option('--async', 'submit a job and print its id; do not wait for the outputs')
    .option('--json', 'print the outputs, or the job, as JSON')
    .addHelpText(
      'after',
      "\nExamples:\n  sconce infer affine --input 'x=[[1, 2, 3, 4]]'\n  sconce infer affine --in request.json --json",
    )
    .action(async (model: string, options: InferOptions) => {
      await runInfer(config, model, options);
    });
}

async function runInfer(config: CliConfig, model: string, options: InferOptions): Promise<void> {
  const terminal = new Terminal({ json: options.json === true });
  const values = readValues(options);
  const client = connect(config);
  const metadata = await modelMetadata(client, model, options.version);
  const inputs = Object.entries(values).map(([name, value]) => toTensor(name, value, metadata.inputs));
  if (options.async === true) {
    const { version, binary = false } = options;
    const job = await client.jobs.submit(model, { inputs, binary }, { version, retry: true });
    terminal.result(job);
    terminal.print(job.id);
    terminal.note(`Outputs: sconce jobs result ${job.id}`);
    return;
  }
  const result = await infer(client, model, {
    request: { inputs, binary: options.binary === true },
    version: options.version,
  });
  printOutputs(terminal, result, { trace_id: result.traceId });
  const { timing, traceId } = result;
  const trace = traceId === undefined ? '' : `, trace ${traceId}`;
  terminal.note(`queue ${timing.queueMs} ms, batch ${timing.batchMs} ms, run ${timing.runMs} ms${trace}`);
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
    throw new UsageError('No inputs are given.', "Give each one as --input 'name=[[…]]', or all with --in FILE.");
  }
  return values;
}

function readFile(file: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : 'cannot be read';
    throw new UsageError(`${file} ${why}.`, 'Give the path of a JSON file, or - to read stdin.');
  }
  const value = parse(text, file);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError(`${file} does not contain a JSON object.`, 'Write it as {"input name": values, …}.');
  }
  const { inputs } = value as { inputs?: unknown };
  if (!isTensorList(inputs)) return value as Record<string, unknown>;
  const more = Object.keys(value).filter((key) => key !== 'inputs' && key !== 'id');
  if (more.length > 0) {
    throw new UsageError(
      `${file} has "${more.join('", "')}", which this command does not send.`,
      'Remove it from the file: only "inputs" and "id" are allowed.',
    );
  }
  return fromProtocol(inputs);
}

type ProtocolInput = Readonly<Record<'name' | 'shape' | 'data', unknown>>;

/** Whether this is the `inputs` list of an Open Inference Protocol request, and not the values of an input named `inputs`. */
function isTensorList(inputs: unknown): inputs is ProtocolInput[] {
  return Array.isArray(inputs) && inputs.every((one) => typeof one === 'object' && one !== null && 'data' in one);
}

function fromProtocol(inputs: readonly ProtocolInput[]): Record<string, unknown> {
  return Object.fromEntries(inputs.map(({ name, shape, data }) => [String(name), nest(data, shape)]));
}

/** Nests the protocol's flat data like its shape. Data that do not fit are returned unchanged; `toTensor` refuses them. */
function nest(data: unknown, shape: unknown): unknown {
  if (!Array.isArray(data) || !Array.isArray(shape) || Array.isArray(data[0])) return data;
  let values: unknown[] = data;
  for (const size of shape.slice(1).reverse() as number[]) {
    if (!Number.isSafeInteger(size) || size < 1 || values.length % size !== 0) return data;
    values = Array.from({ length: values.length / size }, (_, at) => values.slice(at * size, (at + 1) * size));
  }
  return values;
}

function parse(text: string, where: string): unknown {
  try {
    return JSON.parse(text, exactInteger);
  } catch (error) {
    throw new UsageError(
      `${where} is not JSON: ${(error as Error).message}.`,
      'Write values like [[1, 2, 3]]; strings need double quotes: ["a", "b"].',
    );
  }
}

/** A reviver for JSON.parse: an integer beyond 2^53 becomes a bigint, so that INT64 values stay exact. */
function exactInteger(this: unknown, _key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
  return context?.source !== undefined && /^-?\d+$/.test(context.source) ? BigInt(context.source) : value;
}

/** A tensor with the shape of the nested values and the input's datatype. @throws UsageError. */
function toTensor(name: string, value: unknown, specs: readonly TensorSpec[]): Tensor {
  const spec = specs.find((candidate) => candidate.name === name);
  if (spec === undefined) {
    const known = specs.map((candidate) => candidate.name).join(', ');
    throw new UsageError(`The model has no input "${name}".`, `Its inputs are: ${known}.`);
  }
  const shape: number[] = [];
  for (let level = value; Array.isArray(level); level = (level as unknown[])[0]) shape.push(level.length);
  const data = Array.isArray(value) ? value : [value];
  return asUsage(() => decodeJsonData({ name, datatype: spec.datatype, shape }, data, 'reject'), formatSpec(spec));
}

/** Reports values that are not a tensor as bad usage. */
function asUsage(read: () => Tensor, expected: string): Tensor {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof SconceError)) throw error;
    throw new UsageError(`${error.message}.`, `The input takes ${expected}: nest the values like this shape.`);
  }
}
