/**
 * Writes docs/supported-ops.md from the registry of operators: `npm run docs`. The spec beside this file fails when the committed page
 * differs.
 */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { OP_FAMILIES, type OpDefinition } from '@sconce/torchscript';

/** The path of the page. */
export const SUPPORTED_OPS_PAGE = fileURLToPath(new URL('../docs/supported-ops.md', import.meta.url));

/** The text of the page: operators by family, their overloads and their limits. */
export function renderSupportedOps(families: readonly (readonly OpDefinition[])[] = OP_FAMILIES): string {
  const byFamily = new Map<string, OpDefinition[]>();
  for (const definition of families.flat()) {
    byFamily.set(definition.family, [...(byFamily.get(definition.family) ?? []), definition]);
  }
  const names = new Set(families.flat().map(({ schema }) => schema.name));
  const sections = [...byFamily]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([family, ops]) => renderFamily(family, ops));
  return [
    '# Supported operators',
    '',
    '<!-- Written by `npm run docs` from the registry in libs/torchscript/src/lowering. Do not edit. -->',
    '',
    `${names.size} operators of PyTorch in ${families.flat().length} overloads. In-place variants (\`relu_\`) and \`out=\` variants come with`,
    'each. A model that uses others is refused with all of them named, and where in its code they are used:',
    '`sconce inspect model.pt` shows it beforehand.',
    '',
    ...sections,
  ].join('\n');
}

function renderFamily(family: string, ops: readonly OpDefinition[]): string {
  const byName = new Map<string, OpDefinition[]>();
  for (const op of ops) byName.set(op.schema.name, [...(byName.get(op.schema.name) ?? []), op]);
  const rows = [...byName]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, overloads]) => {
      const named = overloads.map(({ schema }) => (schema.overload === '' ? '–' : schema.overload)).join(', ');
      const limits = [...new Set(overloads.map((overload) => overload.limits).filter((text) => text !== ''))].join(
        '; ',
      );
      return `| \`${name}\` | ${named} | ${limits} |`;
    });
  return [`## ${family}`, '', '| operator | overloads | limits |', '| --- | --- | --- |', ...rows, ''].join('\n');
}

if (import.meta.main) await writeFile(SUPPORTED_OPS_PAGE, renderSupportedOps());
