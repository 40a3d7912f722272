import { readFileSync } from 'node:fs';

/**
 * Memory of a process and of its children, bytes, without pages of mapped files: what a container's limit counts and cannot give back.
 * Undefined if the process has ended.
 */
export function memoryOf(pid: number): number | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const kib = ['RssAnon', 'RssShmem'].map((name) =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0),
    );
    const own = kib.reduce((sum, each) => sum + each * 1024, 0);
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    const below = children === '' ? [] : children.split(' ').map((child) => memoryOf(Number(child)) ?? 0);
    return below.reduce((sum, each) => sum + each, own);
  } catch {
    return undefined;
  }
}
