/** Writes docs/adr/README.md, the index of the decisions: `npm run docs`. */
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { format, resolveConfig } from 'prettier';

/** The folder of the decisions. */
export const FOLDER = new URL('../docs/adr/', import.meta.url);
/** The index. */
export const PAGE = new URL('README.md', FOLDER);

const FILE = /^(\d{4})-[a-z0-9-]+\.md$/;
const HEADING = /^# (\d+)\. (\S.*)$/;
const STATUS = /^(Accepted|Proposed|Rejected|Superseded by \[?ADR \d+)/;

/** One decision. */
export interface Decision {
  readonly file: string;
  readonly number: number;
  readonly title: string;
  /** The line below the heading: "Accepted, 2026-11." */
  readonly status: string;
}

/** The decisions in order. */
export async function decisions(): Promise<Decision[]> {
  const files = (await readdir(FOLDER)).filter((file) => file !== 'README.md').sort();
  return Promise.all(files.map(async (file) => readDecision(file, await readFile(new URL(file, FOLDER), 'utf8'))));
}

/** Reads the head of a decision. Throws when the index cannot be made from its name, heading or status. */
export function readDecision(file: string, text: string): Decision {
  const [heading = '', empty, status = ''] = text.split('\n');
  const [, number, title = ''] = HEADING.exec(heading) ?? [];
  if (number === undefined || Number(FILE.exec(file)?.[1]) !== Number(number)) {
    throw new Error(
      `docs/adr/${file} begins with "${heading}". Expected "# N. Title", and N in the file's name (0007-name.md).`,
    );
  }
  if (empty !== '' || !STATUS.test(status)) {
    throw new Error(
      `docs/adr/${file} has the status "${status}" in line 3. Expected "Accepted, YYYY-MM.", "Proposed …", "Rejected …" or "Superseded by ADR N …".`,
    );
  }
  return { file, number: Number(number), title, status };
}

/** The text of the index, made from the decisions. */
export async function indexPage(): Promise<string> {
  const rows = (await decisions()).map(
    ({ file, number, title, status }) => `| ${number} | [${title}](${file}) | ${status.replace(/\.$/, '')} |`,
  );
  const text = [
    '# Decisions',
    '',
    '<!-- Written by `npm run docs` from the files of this folder. Do not edit. -->',
    '',
    'Each page is one decision: why it was necessary, what was decided, what follows. A decision that changes gets a new page, and its old page',
    'gets the status "Superseded by ADR N". A figure that a later page contradicts is marked where it stands.',
    '',
    '| number | decision | status |',
    '| --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
  return format(text, { ...(await resolveConfig(PAGE)), parser: 'markdown' });
}

if (import.meta.main) await writeFile(PAGE, await indexPage());
