import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import satisfies from 'spdx-satisfies';

/** Licences that require no more of a user than to keep the notices. */
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
/** Licences that only tools may have: users do not get their code. */
const TOOLS_ONLY = ['CC-BY-3.0', 'CC-BY-4.0', 'MPL-2.0'];

/** Packages whose package.json has no SPDX licence. Their LICENSE files were read by a person. */
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

/** A package whose licence is not allowed. */
export interface Refused {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  /** Users get the package; it is not only a tool. */
  readonly isShipped: boolean;
}

/** Packages of a lockfile whose licences are not allowed. */
export function refusedLicences(lock: { readonly packages: Readonly<Record<string, LockedPackage>> }): Refused[] {
  return Object.entries(lock.packages).flatMap(([path, { version = '', license, dev = false }]) => {
    const name = path.split('node_modules/').at(-1) ?? '';
    // The projects of this repository.
    if (!path.includes('node_modules/') || name.startsWith('@sconce/')) return [];
    const licence = license ?? READ_BY_HAND[name] ?? 'none';
    return isAllowed(licence, dev ? [...PERMISSIVE, ...TOOLS_ONLY] : PERMISSIVE)
      ? []
      : [{ name, version, licence, isShipped: !dev }];
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

/** Reads the lockfile of this repository. */
export async function readLock(): Promise<Parameters<typeof refusedLicences>[0]> {
  const path = fileURLToPath(new URL('../package-lock.json', import.meta.url));
  return JSON.parse(await readFile(path, 'utf8')) as Parameters<typeof refusedLicences>[0];
}
