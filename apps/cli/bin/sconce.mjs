#!/usr/bin/env node
// The only JavaScript file of the product: it must start on any Node version that the shell has, and find a newer one.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MINIMUM = [22, 15];
const here = dirname(fileURLToPath(import.meta.url));
const [major, minor] = process.versions.node.split('.').map(Number);

if (major > MINIMUM[0] || (major === MINIMUM[0] && minor >= MINIMUM[1])) {
  const main = new URL('../dist/main.js', import.meta.url);
  if (existsSync(main)) {
    await import(main.href);
  } else {
    process.stderr.write('sconce is not built yet.\nRun: npm run build\n');
    process.exitCode = 1;
  }
} else {
  const node = projectNode(here);
  if (node === undefined) {
    process.stderr.write(`sconce needs Node ${MINIMUM.join('.')} or newer; this is ${process.versions.node}.\n`);
    process.stderr.write('Run `npm ci` in the project (it installs its own Node), or install a newer Node.\n');
    process.exitCode = 1;
  } else {
    const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
      // Its own process group: Ctrl-C reaches the child once, through this process. The terminal would send it a second
      // time, and the second Ctrl-C means "stop at once". The IPC channel closes if this process is killed.
      detached: true,
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    });
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
    child.on('error', (error) => {
      process.stderr.write(`${node} cannot be started: ${error.message}.\nRun \`npm ci\` in the project.\n`);
      process.exit(1);
    });
    child.on('exit', (code, signal) => {
      process.exit(code ?? 128 + (constants.signals[signal] ?? 0));
    });
  }
}

/** The binary of the project's `node` package: searched in `from` and in each folder above it. */
function projectNode(from) {
  const path = join(from, 'node_modules', 'node', 'bin', 'node');
  if (existsSync(path)) return path;
  return dirname(from) === from ? undefined : projectNode(dirname(from));
}
