import { exitOnBadSettings } from '@sconce/process';
import { readConfig } from './config.ts';
import { runProgram } from './program.ts';

// A reader that closes the pipe early (`sconce models | head`) is not a failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});
// The launcher starts this process with an IPC channel. If the launcher is killed, this process ends too.
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
// The channel must not keep a finished command alive.
process.channel?.unref();

process.exitCode = await runProgram(
  process.argv.slice(2),
  exitOnBadSettings(() => readConfig(), 2),
);
