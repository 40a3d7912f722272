import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { SystemPlan } from '../plan/plan.ts';

const run = promisify(execFile);
const SMALL_DISK = '128m';
const MIB = Buffer.alloc(1024 ** 2, 1);

/** The blob store of a system. */
export interface StoreSetup {
  /** `SCONCE_DATA`. */
  readonly folder: string;
  /** Whether the store is on a small file system of its own. */
  readonly small: boolean;
  /** Renames the folder, as if its volume were not mounted. */
  takeAway(): Promise<void>;
  bringBack(): Promise<void>;
  /** Fills the small file system to the last byte. */
  fill(): Promise<void>;
  empty(): Promise<void>;
  stop(): Promise<void>;
}

/** Removes the folder of an earlier run, whose small disk may still be mounted if the run was killed. */
export async function clearHome(home: string): Promise<void> {
  await unmount(join(home, 'store'));
  await rm(home, { recursive: true, force: true });
}

/** Makes the folder of a blob store below `home`, with the blobs of `template` if there are any. */
export async function makeStore(plan: SystemPlan, home: string, template: string | undefined): Promise<StoreSetup> {
  const mount = join(home, 'store');
  await mkdir(mount, { recursive: true });
  const small = plan.disk === 'small' && (await mountSmallDisk(mount));
  const folder = join(mount, 'blobs');
  const away = join(mount, 'blobs-away');
  const ballast = join(mount, 'ballast');
  if (template !== undefined) await cp(template, folder, { recursive: true });
  return {
    folder,
    small,
    takeAway: () => rename(folder, away),
    bringBack: async () => {
      // A process that started in the meantime made an empty folder.
      if (existsSync(folder)) await rename(folder, `${folder}-made-meanwhile-${Date.now()}`);
      await rename(away, folder);
    },
    fill: async () => {
      const file = await open(ballast, 'w');
      try {
        for (;;) await file.write(MIB);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      } finally {
        await file.close();
      }
    },
    empty: () => rm(ballast, { force: true }),
    stop: async () => {
      if (small) await unmount(mount);
    },
  };
}

/** Mounts a small tmpfs. Only root can, and not in every container. */
async function mountSmallDisk(path: string): Promise<boolean> {
  if (process.getuid?.() !== 0) return false;
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${SMALL_DISK}`, 'sconce-chaos', path]);
    return true;
  } catch {
    return false;
  }
}

async function unmount(path: string): Promise<void> {
  await run('umount', ['--lazy', path]).catch(() => undefined);
}
