import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load } from './in-process.ts';
import type { LoadPlan } from './load-client.ts';
import { cpuSeconds } from './usage.ts';

/** A closed loop, and what the server did in it. Latencies in ms. */
export interface ClosedLoopReport {
  readonly requests: number;
  readonly failed: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** CPU time of the client, seconds; it is known of `wrk`. */
  readonly clientSeconds?: number;
}

/** How often the client's CPU time is read. The last reading before its end counts. */
const CLIENT_READ_MS = 20;

/** Which client measures: `wrk` (a C program that costs the machine little) when it is installed, else our own. */
export const CLOSED_LOOP_CLIENT: 'wrk' | 'node' = spawnSync('wrk', ['-v']).error === undefined ? 'wrk' : 'node';

/** Runs a closed loop of one body; warm-up is a run of its own. */
export async function closedLoop(plan: Omit<LoadPlan, 'rate'>): Promise<ClosedLoopReport> {
  if (CLOSED_LOOP_CLIENT === 'node') return load(plan);
  const folder = mkdtempSync(join(tmpdir(), 'sconce-wrk-'));
  try {
    const script = join(folder, 'post.lua');
    writeFileSync(script, luaScript(plan));
    if (plan.warmupSeconds > 0) await wrk(plan, script, plan.warmupSeconds);
    return await wrk(plan, script, plan.seconds);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Sends the body and prints figures on one line of JSON; wrk's latencies are in µs. */
function luaScript({ headers, bodies }: LoadPlan): string {
  const body = Buffer.from(bodies[0] ?? '', 'base64');
  const escaped = Array.from(body, (byte) => `\\${String(byte).padStart(3, '0')}`).join('');
  const lines = Object.entries(headers).map(
    ([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}`,
  );
  return [
    'wrk.method = "POST"',
    ...lines,
    `wrk.body = "${escaped}"`,
    'function done(summary, latency)',
    '  local errors = summary.errors',
    '  io.write(string.format(\'{"requests":%d,"failed":%d,"durationUs":%d,"p50":%.3f,"p99":%.3f,"max":%.3f}\\n\',',
    '    summary.requests, errors.connect + errors.read + errors.write + errors.status + errors.timeout, summary.duration,',
    '    latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000))',
    'end',
  ].join('\n');
}

async function wrk({ url, path, inFlight }: LoadPlan, script: string, seconds: number): Promise<ClosedLoopReport> {
  const args = ['-t1', `-c${inFlight}`, `-d${seconds}s`, '--timeout', '30s', '-s', script, `${url}${path}`];
  const child = spawn('wrk', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  let clientSeconds = 0;
  const timer = setInterval(() => {
    try {
      clientSeconds = cpuSeconds(child.pid ?? 0);
    } catch {
      // It has ended.
    }
  }, CLIENT_READ_MS);
  const [code] = (await once(child, 'close')) as [number | null];
  clearInterval(timer);
  const line = text.split('\n').find((each) => each.startsWith('{'));
  if (code !== 0 || line === undefined) throw new Error(`wrk ended with ${code}: ${text}`);
  const { durationUs, ...figures } = JSON.parse(line) as Omit<ClosedLoopReport, 'perSecond' | 'clientSeconds'> & {
    durationUs: number;
  };
  return { ...figures, clientSeconds, perSecond: (figures.requests - figures.failed) / (durationUs / 1e6) };
}
