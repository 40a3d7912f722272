import { SconceError } from '@sconce/errors';

/** Exit code of a start that its configuration forbids (sysexits' EX_CONFIG). */
const EX_CONFIG = 78;

/** What `read` answers; a process whose settings are wrong says what is wrong with them, and ends with `exitCode`. */
export function exitOnBadSettings<T>(read: () => T, exitCode = EX_CONFIG): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof SconceError)) throw error;
    const lines = error.message.split('\n').map((line) => `error: ${line}\n`);
    process.stderr.write(lines.join(''));
    process.exit(exitCode);
  }
}
