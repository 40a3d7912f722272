import { SconceError } from '@sconce/errors';

/** Exit code for a wrong configuration (`EX_CONFIG` of sysexits). */
const EX_CONFIG = 78;

/** The result of `read`. If `read` throws a SconceError, the process prints its lines to stderr and exits with `exitCode`. */
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
