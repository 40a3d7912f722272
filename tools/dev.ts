import { spawn, type ChildProcess } from 'node:child_process';
import { watch } from 'node:fs';

// `npm run dev` builds, runs `sconce up`, and does both again when a source changes.

const QUIET_MS = 300;
let stack: ChildProcess | undefined;
let stopping = false;

function run(command: string, args: readonly string[]): Promise<number | null> {
  return new Promise((resolve) => {
    spawn(command, args, { stdio: 'inherit' }).once('exit', resolve);
  });
}

async function stop(): Promise<void> {
  const running = stack;
  stack = undefined;
  if (running === undefined || running.exitCode !== null) return;
  const ended = new Promise((resolve) => running.once('exit', resolve));
  running.kill('SIGTERM');
  await ended;
}

async function restart(): Promise<void> {
  if ((await run('npm', ['run', '--silent', 'build'])) !== 0 || stopping) return;
  await stop();
  stack = spawn(process.execPath, ['apps/cli/bin/sconce.mjs', 'up', ...process.argv.slice(2)], { stdio: 'inherit' });
}

/** Restarts run one after the other. Changes during a restart lead to one more restart. */
let running: Promise<void> = Promise.resolve();
let timer: NodeJS.Timeout | undefined;
function schedule(): void {
  clearTimeout(timer);
  timer = setTimeout(() => {
    running = running.then(restart);
  }, QUIET_MS);
}

if ((await run(process.execPath, ['tools/ensure-redis.ts'])) !== 0) process.exit(1);
for (const folder of ['apps', 'libs']) {
  watch(folder, { recursive: true }, (_event, file) => {
    if (/\/src\/.*\.ts$/.test(file ?? '') && !/\.spec\.ts$/.test(file ?? '')) schedule();
  });
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    stopping = true;
    void stop().then(() => process.exit(0));
  });
}
running = restart();
