import { readFileSync } from 'node:fs';

/** Linux on x86-64 and most of arm64. */
const PAGE_BYTES = 4_096;

/** Resident memory of a process that is not mapped from files, bytes. 0 if the system does not report it. */
export function ownMemoryOf(pid: number): number {
  try {
    const [, resident = '0', shared = '0'] = readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ');
    return (Number(resident) - Number(shared)) * PAGE_BYTES;
  } catch {
    return 0;
  }
}

/** Linux counts CPU time in hundredths of a second for programs on all its processors. */
const TICK_MS = 10;
/** Positions of the CPU time in user and in kernel code, behind the name of the program. */
const USER = 11;
const SYSTEM = 12;

/** CPU time of all threads of a process, ms. undefined if the system does not report it. */
export function cpuTimeOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[USER]) + Number(fields[SYSTEM])) * TICK_MS;
  } catch {
    return undefined;
  }
}
