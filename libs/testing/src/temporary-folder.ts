import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atEndOfFile } from './end-of-file.ts';

/** Makes an empty folder and returns its absolute path. It is removed after the last test of the spec file. */
export function temporaryFolder(label = 'test'): string {
  const folder = mkdtempSync(join(tmpdir(), `sconce-${label}-`));
  atEndOfFile(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  return folder;
}
