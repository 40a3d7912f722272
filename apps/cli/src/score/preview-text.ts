import type { PreviewProblem } from '@sconce/datasets';
import { countOf, formatBytes } from '../output/text.ts';
import type { FilePreview } from './preview-file.ts';

const WIDTH = 80;
const MAX_COLUMNS = 12;
const DELIMITERS: Readonly<Record<string, string>> = { ',': 'comma', '\t': 'tab', ';': 'semicolon', '|': 'bar' };

/** A preview for people, in lines of at most 80 characters. */
export function previewText(preview: FilePreview, file: string): string {
  const { inputs, outputs, rows, sample, estimate, model, version } = preview;
  const fitting = preview.ok ? `fits ${model} version ${version}` : `does not fit ${model} version ${version}`;
  return [
    `${file} ${fitting}`,
    ...section('file', [fileText(preview)]),
    ...section('columns', columnLines(preview)),
    ...section('inputs', inputs.map(inputLine)),
    ...section('results', outputs.length === 0 ? [] : [outputs.map(({ name, type }) => `${name} ${type}`).join(', ')]),
    ...section('first rows', rows.map(rowLine)),
    ...section('checked', sample.rows === 0 ? [] : [checkedText(preview)]),
    ...section('time', estimate === null ? [] : [`about ${estimate.seconds} s for the runs, without upload and queue`]),
    ...section('look at', preview.warnings.flatMap(problemLines)),
    ...section('errors', preview.errors.flatMap(problemLines)),
  ].join('\n');
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.map((line, index) => {
    const text = `  ${(index === 0 ? title : '').padEnd(11)}${line}`;
    // Messages and options are whole: they are to be read and pasted.
    return title === 'errors' || title === 'look at' ? text : cut(text, WIDTH);
  });
}

function fileText({ dataset }: FilePreview): string {
  const { bytes, format, compression, encoding, delimiter, header, rows, exact } = dataset;
  const about = rows === null ? undefined : `${exact ? '' : 'about '}${countOf(rows, 'row')}`;
  return [
    compression === null ? format : `${format} in ${compression}`,
    about,
    formatBytes(bytes),
    encoding ?? undefined,
    delimiter === null ? undefined : (DELIMITERS[delimiter] ?? `delimiter ${delimiter}`),
    header === null ? undefined : header ? 'header' : 'no header',
  ]
    .filter((part) => part !== undefined)
    .join(', ');
}

function columnLines({ columns, width }: FilePreview): readonly string[] {
  const shown = columns.slice(0, MAX_COLUMNS);
  const names = Math.min(24, Math.max(0, ...shown.map(({ name }) => name.length)));
  const lines = shown.map(({ name, type, inputs, kept }) => {
    const uses = [...inputs.map((input) => `input ${input}`), ...(kept ? ['kept'] : [])];
    return `${name.padEnd(names)}  ${type.padEnd(9)}  ${uses.join(', ') || 'not used'}`;
  });
  return width > shown.length ? [...lines, `… ${width} columns in all`] : lines;
}

function inputLine({ name, type, columns, width, value, problem }: FilePreview['inputs'][number]): string {
  if (problem !== undefined) return `${name} ${type}: no columns`;
  if (columns === null)
    return value === undefined ? `${name} ${type}` : `${name} ${type}: ${JSON.stringify(value)} in every row`;
  const listed =
    width > 4 ? [...columns.slice(0, 3), '…', ...(columns.length < width ? [] : columns.slice(-1))] : columns;
  return `${name} ${type}: ${countOf(width, 'column')}: ${listed.join(', ')}`;
}

function checkedText({ sample, errors }: FilePreview): string {
  const { rows, failed } = sample;
  const first = rows === 1 ? 'the first row' : `the first ${rows} rows`;
  if (errors.length > 0) return `${first} can be read`;
  return failed === 0 ? `${first}: all fit` : `${first}: ${failed} of them ${failed === 1 ? 'fails' : 'fail'}`;
}

function problemLines({ message, fix }: PreviewProblem): readonly string[] {
  return fix === undefined ? [message] : [message, `→ ${fix.flag}`];
}

/** Values of a row, and what became of it. A kept column is among the values. */
function rowLine({ row, values, result = {}, error }: FilePreview['rows'][number]): string {
  const added = Object.fromEntries(Object.entries(result).filter(([name]) => !Object.hasOwn(values, name)));
  const after = error === undefined ? cut(fields(added), 30) : `✗ ${error.message}`;
  if (error !== undefined) return `${row}: ${after}`;
  const before = fields(values);
  return after === '' ? `${row}: ${before}` : `${row}: ${cut(before, WIDTH - 20 - after.length)} → ${after}`;
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}

function fields(values: Readonly<Record<string, unknown>>): string {
  return Object.entries(values)
    .slice(0, 8)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ');
}
