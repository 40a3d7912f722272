/** Finds links in Markdown files that lead nowhere: relative paths without a file, anchors without a heading. Web addresses are not asked. */
import { existsSync } from 'node:fs';
import { glob, readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folders with files that are not this repository's. */
const FOREIGN = new Set(['node_modules', 'dist', '.git', '.nx', '.sconce', 'coverage']);

const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const INLINE_CODE = /(`+)(?:(?!\1)[\s\S])*?[^`]\1(?!`)/g;
const INLINE_LINK = /!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+["'(][^)]*)?\)/g;
const DEFINITION = /^ {0,3}\[[^\]\n]+\]:\s*<?([^\s>]+)>?/gm;
const HEADING = /^ {0,3}#{1,6}\s+(.*?)\s*#*\s*$/;
const OWN_ANCHOR = /<a\s+(?:id|name)="([^"]+)"/g;
const WITH_SCHEME = /^([a-z][a-z0-9+.-]*:|\/\/)/i;

/** A link that leads nowhere. */
export interface BrokenLink {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly target: string;
  readonly reason: string;
}

/** Every broken link of the Markdown files below a folder; `files` are paths relative to it, all of them without. */
export async function brokenLinks(root: string, files?: readonly string[]): Promise<BrokenLink[]> {
  const anchors = new Map<string, Promise<ReadonlySet<string>>>();
  const anchorsOf = (path: string): Promise<ReadonlySet<string>> => {
    let found = anchors.get(path);
    if (found === undefined) anchors.set(path, (found = readFile(path, 'utf8').then(anchorsIn)));
    return found;
  };
  const broken: BrokenLink[] = [];
  for (const file of files ?? (await markdownFiles(root))) {
    const path = join(root, file);
    for (const { target, line } of linksIn(await readFile(path, 'utf8'))) {
      const reason = await problemOf(target, path, root, anchorsOf);
      if (reason !== undefined) broken.push({ file, line, target, reason });
    }
  }
  return broken;
}

/** The Markdown files below a folder, sorted, relative to it. */
export async function markdownFiles(root: string): Promise<string[]> {
  const found: string[] = [];
  for await (const path of glob('**/*.md', {
    cwd: root,
    exclude: (name) => FOREIGN.has(name.split('/').at(-1) ?? ''),
  })) {
    found.push(path);
  }
  return found.sort();
}

async function problemOf(
  target: string,
  path: string,
  root: string,
  anchorsOf: (path: string) => Promise<ReadonlySet<string>>,
): Promise<string | undefined> {
  if (WITH_SCHEME.test(target)) return undefined;
  const [place = '', anchor] = target.split('#');
  if (place.startsWith('/')) return 'a link from the root of the disk: write it relative to this file';
  const to = place === '' ? path : join(dirname(path), decodeURIComponent(place));
  if (relative(root, to).startsWith('..')) return 'it leads out of the repository';
  if (!existsSync(to)) return `there is no ${relative(root, to)}`;
  if (anchor === undefined || !to.endsWith('.md')) return undefined;
  if ((await anchorsOf(to)).has(decodeURIComponent(anchor))) return undefined;
  return `${relative(root, to)} has no heading "#${anchor}"`;
}

/** The targets of the links of a text, without those in code. */
export function linksIn(text: string): { readonly target: string; readonly line: number }[] {
  const plain = withoutFences(text)
    .join('\n')
    .replaceAll(INLINE_CODE, (code) => code.replaceAll(/[^\n]/g, 'x'));
  return [...plain.matchAll(INLINE_LINK), ...plain.matchAll(DEFINITION)]
    .sort((a, b) => a.index - b.index)
    .map((match) => ({ target: match[1] ?? '', line: plain.slice(0, match.index).split('\n').length }));
}

/** The anchors that GitHub gives the headings of a text, and those that it sets itself. */
export function anchorsIn(text: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  const counts = new Map<string, number>();
  for (const line of withoutFences(text)) {
    for (const [, id = ''] of line.matchAll(OWN_ANCHOR)) anchors.add(id);
    const heading = HEADING.exec(line)?.[1];
    if (heading === undefined) continue;
    const slug = slugOf(heading);
    const count = counts.get(slug) ?? 0;
    counts.set(slug, count + 1);
    anchors.add(count === 0 ? slug : `${slug}-${count}`);
  }
  return anchors;
}

function slugOf(heading: string): string {
  return heading
    .replaceAll(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, '')
    .replaceAll(' ', '-');
}

/** The lines of a text; those of fenced code are empty. */
function withoutFences(text: string): string[] {
  let fence: string | undefined;
  return text.split('\n').map((line) => {
    const mark = FENCE.exec(line)?.[1];
    if (fence === undefined) {
      fence = mark;
      return mark === undefined ? line : '';
    }
    if (mark?.startsWith(fence) === true && line.trim() === mark) fence = undefined;
    return '';
  });
}

if (import.meta.main) {
  const broken = await brokenLinks(fileURLToPath(new URL('..', import.meta.url)));
  for (const { file, line, target, reason } of broken) console.error(`${file}:${line}: ${target}: ${reason}`);
  if (broken.length > 0) process.exitCode = 1;
}
