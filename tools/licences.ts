import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import satisfies from 'spdx-satisfies';

/** Licences that let whoever runs Sconce do as they like, but for keeping notices. */
const PERMISSIVE = [
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'CC0-1.0',
  'ISC',
  'MIT',
  'Python-2.0',
  'Unlicense',
  'Zlib',
];
/** Of tools alone: nothing of them is in what is handed on. */
const TOOLS_ONLY = ['CC-BY-3.0', 'CC-BY-4.0', 'MPL-2.0'];

/** Packages whose package.json names no licence as SPDX wants it; what their own LICENSE file says. */
const READ_BY_HAND: Readonly<Record<string, string>> = {
  busboy: 'MIT',
  streamsearch: 'MIT',
  'humanize-number': 'MIT',
};

interface LockedPackage {
  readonly version?: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly link?: boolean;
}

/** A package whose licence is not among those that are allowed. */
export interface Refused {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  /** Whether it is in what is handed on, not only in our tools. */
  readonly handedOn: boolean;
}

/** Packages of a lockfile whose licences are not allowed. */
export function refusedLicences(lock: { readonly packages: Readonly<Record<string, LockedPackage>> }): Refused[] {
  return Object.entries(lock.packages).flatMap(([path, { version = '', license, dev = false }]) => {
    const name = path.split('node_modules/').at(-1) ?? '';
    // Our own projects lie beside node_modules.
    if (!path.includes('node_modules/') || name.startsWith('@sconce/')) return [];
    const licence = license ?? READ_BY_HAND[name] ?? 'none';
    return isAllowed(licence, dev ? [...PERMISSIVE, ...TOOLS_ONLY] : PERMISSIVE)
      ? []
      : [{ name, version, licence, handedOn: !dev }];
  });
}

function isAllowed(licence: string, allowed: string[]): boolean {
  try {
    return satisfies(licence, allowed);
  } catch {
    // No SPDX expression.
    return false;
  }
}

/** What is locked in this workspace. */
export async function readLock(): Promise<Parameters<typeof refusedLicences>[0]> {
  const path = fileURLToPath(new URL('../package-lock.json', import.meta.url));
  return JSON.parse(await readFile(path, 'utf8')) as Parameters<typeof refusedLicences>[0];
}
