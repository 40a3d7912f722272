import { exitOnBadSettings } from '@sconce/process';
import { readConfig } from './config.ts';

const config = exitOnBadSettings(() => readConfig());
// Each branch loads only its own modules: the parent of several processes stays small.
if (config.processes > 1) {
  const { runProcesses } = await import('./processes/run-processes.ts');
  await runProcesses(config);
} else {
  const { runApi } = await import('./run-api.ts');
  // Only `runProcesses` starts a process with an argument: the address of the metrics of all processes.
  await runApi(config, process.argv[2]);
}
