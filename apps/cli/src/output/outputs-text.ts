import type { InferResult } from '@sconce/client';
import { encodeJsonData, formatSpec } from '@sconce/tensor';
import type { Terminal } from './terminal.ts';

/** Prints the outputs of a request: as JSON, or one line per row for people. `extra` goes into the JSON. */
export function printOutputs(terminal: Terminal, result: InferResult, extra: object = {}): void {
  const outputs = result.outputs.map((output) => ({
    name: output.name,
    datatype: output.datatype,
    shape: output.shape,
    // As text: numbers beyond 2^53 stay exact.
    data: encodeJsonData(output, 'allow'),
  }));
  const { timing, modelName, modelVersion } = result;
  const head = JSON.stringify({ ...extra, model_name: modelName, model_version: modelVersion, timing });
  const texts = outputs.map(({ data, ...output }) => `${JSON.stringify(output).slice(0, -1)},"data":${data}}`);
  terminal.resultText(`${head.slice(0, -1)},"outputs":[${texts.join(',')}]}`);
  for (const output of outputs) terminal.print(`${output.name} ${formatSpec(output)}\n${formatRows(output)}`);
}

/** One line per row of the first axis. `data` is a flat JSON array; its numbers are printed unchanged. */
function formatRows({ shape, data }: { shape: readonly number[]; data: string }): string {
  const cells: string[] = [];
  JSON.parse(data, (key, value: unknown, context?: { readonly source?: string }) => {
    if (key !== '') cells.push(cellText(value, context?.source));
    return value;
  });
  const rows = shape.length > 1 ? (shape[0] ?? 1) : 1;
  const width = rows === 0 ? 0 : cells.length / rows;
  return Array.from({ length: rows }, (_, row) => `  ${cells.slice(row * width, (row + 1) * width).join('  ')}`).join(
    '\n',
  );
}

function cellText(value: unknown, source: string | undefined): string {
  if (typeof value === 'string') return value;
  if (value === null) return 'NaN';
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : (source ?? String(value));
}
