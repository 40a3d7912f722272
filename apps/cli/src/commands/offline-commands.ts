import { checkCommand } from './check.command.ts';
import { compileCommand } from './compile.command.ts';
import { inspectCommand } from './inspect.command.ts';
import { runCommand } from './run.command.ts';

/** The commands that work on model files, without a server. They need the compiler and the runtime. */
export const OFFLINE_COMMANDS = [inspectCommand, compileCommand, checkCommand, runCommand];
