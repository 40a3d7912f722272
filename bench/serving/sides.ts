import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SconceClient } from '@sconce/client';
import { bindCall } from '@sconce/tensor';
import { startBenchStack, type BenchStack } from '../support/stack.ts';
import type { BenchModel } from './models.ts';

/** One of the two builds that are compared. */
export interface Side {
  /** `this`, or the other commit's hash. */
  readonly name: string;
  readonly launcher: string;
}

/** A build's stack while it runs. */
export interface RunningSide extends Side {
  readonly stack: BenchStack;
  /** When the processes were started, on the clock of `performance.now()`. */
  readonly startedMs: number;
  /** Stops the stack and starts it again on the same data. */
  restart(): Promise<RunningSide>;
  /** Stops the stack and removes its data. */
  stop(): Promise<void>;
}

/** Settings of the stack of a side. */
interface SideOptions {
  readonly workers?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts the build's whole stack on fresh data. */
export function startSide(side: Side, options: SideOptions = {}): Promise<RunningSide> {
  return startOn(mkdtempSync(join(tmpdir(), 'sconce-against-')), side, options);
}

async function startOn(data: string, side: Side, options: SideOptions): Promise<RunningSide> {
  const startedMs = performance.now();
  const stack = await startBenchStack({ data, launcher: side.launcher, ...options });
  return {
    ...side,
    stack,
    startedMs,
    restart: async () => {
      await stack.stop();
      return startOn(data, side, options);
    },
    stop: async () => {
      await stack.stop();
      rmSync(data, { recursive: true, force: true });
    },
  };
}

/** Registers the model; returns it with the input names that the signature has. */
export async function pushModel(
  { stack }: RunningSide,
  model: BenchModel,
  options: { readonly config?: Readonly<Record<string, unknown>>; readonly apiKey?: string } = {},
): Promise<BenchModel & { readonly bestRows: number }> {
  const { config, apiKey } = options;
  const { models } = new SconceClient({ url: stack.url, apiKey });
  const artifact = new Uint8Array(readFileSync(model.path));
  await models.push(model.name, artifact, { version: '1', config });
  const { performance: measured, signature } = await models.waitUntilReady(model.name, '1');
  const row = bindCall({ tensors: model.row, byName: false }, signature?.inputs ?? []);
  return { ...model, row, bestRows: measured?.best_rows ?? 1 };
}
