import { exitOnBadSettings } from '@sconce/process';
import { readConfig } from './config.ts';
import { runProgram } from './program.ts';

// A reader that has seen enough (`sconce models | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});
// Started by the launcher over an IPC channel: what ends it without a signal ends this too.
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
// Listening must not keep a finished command alive.
process.channel?.unref();

process.exitCode = await runProgram(
  process.argv.slice(2),
  exitOnBadSettings(() => readConfig(), 2),
);
