import Table from 'cli-table3';
import type { ListedVersion, ModelBatch, ModelParity, ModelPerformance, ModelVersion, RunMemory } from '@sconce/client';
import { formatSpec } from '@sconce/tensor';
import { PLAIN_CHARS } from './terminal.ts';
import { countOf, formatBytes, oneLine } from './text.ts';

const LABEL_WIDTH = 8;
const UNBOUNDED = 'values of the inputs decide how long a run takes; budget.run_ms bounds it';

/** Everything that registration found out about a version: signature, batch proof, parity, warnings, sizes, speed. */
export function describeModel(model: ModelVersion & Partial<Pick<ListedVersion, 'quarantined'>>): string {
  const { signature, batch, parity, warnings, performance, error, quarantined } = model;
  return [
    `${model.name} version ${model.version}: ${quarantined === undefined ? model.status : 'quarantined'}, ${model.platform}, ${formatBytes(model.size_bytes)}`,
    ...(quarantined === undefined
      ? []
      : entry('why', `${quarantined}; \`sconce models load ${model.name}\` lets it run again`)),
    ...(signature?.inputs ?? []).flatMap((spec) => entry('input', `${spec.name}  ${formatSpec(spec)}`)),
    ...(signature?.outputs ?? []).flatMap((spec) => entry('output', `${spec.name}  ${formatSpec(spec)}`)),
    ...(batch === undefined ? [] : entry('batch', ...batchLines(batch))),
    ...parityEntry(model, parity),
    ...(warnings ?? []).flatMap((warning) => entry('warning', oneLine(warning))),
    ...(model.unbounded === true ? entry('loops', UNBOUNDED) : []),
    ...formLines(model),
    ...(performance === undefined ? [] : speedLines(performance)),
    ...(error === undefined ? [] : entry('error', `${error.message} (${error.code})`)),
  ].join('\n');
}

/** A label and its lines; all lines have the same indent. */
function entry(label: string, ...lines: readonly string[]): string[] {
  return lines
    .flatMap((line) => line.split('\n'))
    .map((line, i) => `  ${(i === 0 ? label : '').padEnd(LABEL_WIDTH)}${line}`.trimEnd());
}

function batchLines({ axis, size, evidence, inputs, sizes, max_deviation, source }: ModelBatch): string[] {
  // The evidence text of a dynamic axis already has the sizes and the deviation.
  const hasSizes = /deviation/.test(evidence);
  const tried = [
    ...(inputs === undefined || inputs.length === 0 ? [] : [`rows are axis 0 of ${inputs.join(', ')}`]),
    ...(hasSizes || sizes === undefined || sizes.length === 0 ? [] : [`tried with ${sizes.join(', ')} rows`]),
    ...(hasSizes || max_deviation === undefined ? [] : [`largest deviation ${formatError(max_deviation)}`]),
  ];
  return [
    `${axis}${size === undefined ? '' : ` (${size} rows a run)`}: ${evidence}`,
    ...(tried.length === 0 ? [] : [tried.join('; ')]),
    ...(source === undefined ? [] : [`because of ${source}`]),
  ];
}

/** An ONNX file is run as it is. Of a compiled archive it is said, too, that nothing was compared. */
function parityEntry({ platform, status }: ModelVersion, parity: ModelParity | undefined): string[] {
  if (parity !== undefined) return entry('parity', ...parityLines(parity));
  if (platform !== 'pytorch_torchscript' || status !== 'ready') return [];
  return entry(
    'parity',
    'not checked: no outputs of PyTorch came with the push. `sconce push MODEL --cases FILE`',
    'compares them; `sconce.export` of the Python package writes the file',
  );
}

function parityLines({ ok, calls, rtol, atol, outputs }: ModelParity): string[] {
  const off = outputs.filter((output) => !output.ok).length;
  const verdict = ok ? 'ok' : `${off} of ${countOf(outputs.length, 'output')} off`;
  const rows = outputs.map((output) =>
    output.reason === undefined
      ? [
          output.name,
          formatError(output.max_abs),
          formatError(output.max_rel),
          formatError(output.spread_rel),
          output.ok ? 'ok' : `${output.off} of ${output.elements} off`,
        ]
      : [output.name, '-', '-', '-', output.reason],
  );
  return [
    `${verdict}: ${countOf(calls, 'call')} against PyTorch’s outputs, rtol ${rtol}, atol ${atol}`,
    table(['OUTPUT', 'MAX ABS', 'MAX REL', 'OF SPREAD', ''], rows),
  ];
}

function formLines({ optimised, performance, size_bytes }: ModelVersion): string[] {
  const saved =
    optimised === undefined
      ? []
      : entry(
          'saved',
          `${formatBytes(optimised.size_bytes)} (artifact ${formatBytes(size_bytes)}), as ONNX Runtime ${optimised.runtime} optimised it`,
          `for ${optimised.cpu_class}`,
        );
  if (performance === undefined) return saved;
  const { load_ms, memory_bytes, run_memory } = performance;
  return [
    ...saved,
    ...entry('load', `${formatMs(load_ms)} ms, ${formatBytes(memory_bytes)} per thread`),
    ...(run_memory === undefined ? [] : entry('memory', ...memoryLines(run_memory))),
  ];
}

/** Memory of a run, and how it grows. */
function memoryLines({ bytes, growth }: RunMemory): string[] {
  const nameOf = ({ axes, rows }: RunMemory['growth'][number]): string =>
    rows ? 'rows' : axes.map(({ input, axis }) => `${input} axis ${axis}`).join(' and ');
  const sizes = growth.map((one) => `${nameOf(one)} = ${one.size}`).join(', ');
  const laws = growth.map((one) => {
    const [, linear = 0, square = 0] = one.factor;
    if (square > linear) return `with the square of ${nameOf(one)}`;
    return linear > 0 ? `with ${nameOf(one)}` : `not with ${nameOf(one)}`;
  });
  return [
    `${formatBytes(bytes)} for a run${sizes === '' ? '' : ` with ${sizes}`}`,
    ...(laws.length === 0 ? [] : [`grows ${laws.join(', ')}`]),
  ];
}

function speedLines({ batch_sizes, best_rows, spread }: ModelPerformance): string[] {
  if (batch_sizes.length === 0) return [];
  const rows = batch_sizes.map(({ rows, latency_ms, rows_per_s }) => [
    String(rows),
    formatMs(latency_ms),
    Math.round(rows_per_s).toLocaleString('en'),
    rows === best_rows ? 'best' : '',
  ]);
  const all =
    spread &&
    `${spread.threads} threads in one run: ${countOf(spread.rows, 'row')} in ${formatMs(spread.latency_ms)} ms, ${Math.round(spread.rows_per_s).toLocaleString('en')} rows/s${spread.chosen ? '; workers run it this way' : ''}`;
  return entry(
    'speed',
    'one thread',
    table(['ROWS', 'MS', 'ROWS/S', ''], rows, [0, 1, 2]),
    ...(all === undefined ? [] : [all]),
  );
}

function table(head: readonly string[], rows: readonly (readonly string[])[], numbers: readonly number[] = []): string {
  const colAligns = head.map((_, i) => (numbers.includes(i) ? 'right' : 'left'));
  const style = { head: [], border: [], 'padding-left': 0, 'padding-right': 0 };
  const table = new Table({ head: [...head], style, chars: PLAIN_CHARS, colAligns });
  for (const row of rows) table.push([...row]);
  return table.toString();
}

/** An error in two digits; `?` if it is not a number. */
function formatError(value: number | null): string {
  if (value === null) return '?';
  return value === 0 ? '0' : value.toExponential(1);
}

function formatMs(ms: number): string {
  return ms < 10 ? String(Number(ms.toPrecision(2))) : Math.round(ms).toLocaleString('en');
}
