import { createInterface } from 'node:readline/promises';
import type { Batch, SconceClient } from '@sconce/client';
import type { Terminal } from '../output/terminal.ts';

/** How the watch of a batch ended: the batch ended, or it runs on (`detached`), because the user chose so or a signal ended the watch. */
export type Watched =
  { readonly kind: 'ended'; readonly batch: Batch } | { readonly kind: 'detached'; readonly chosen: boolean };

/**
 * Watches a batch with a progress bar until it has ended. On a terminal, Ctrl-C asks whether to let the batch run on, to
 * cancel it, or to go on watching. Without a terminal Ctrl-C ends the watch and the batch runs on.
 */
export async function watchBatch(client: SconceClient, id: string, terminal: Terminal): Promise<Watched> {
  const stop = new AbortController();
  let asking = false;
  const bar = terminal.rowProgress('scoring');
  const onSignal = (): void => {
    if (asking) return;
    asking = true;
    bar.pause();
    void ask(id).then(async (answer) => {
      asking = false;
      if (answer === 'detach') stop.abort();
      else {
        if (answer === 'cancel') await client.batches.cancel(id).catch(() => undefined);
        bar.resume();
      }
    });
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    const batch = await client.batches.wait(id, {
      signal: stop.signal,
      onProgress: (current) => {
        const { completed, failed } = current.request_counts;
        bar.update({ share: current.progress, rows: completed + failed, failed, rate: current.rate, eta: current.eta });
      },
    });
    return { kind: 'ended', batch };
  } catch (error) {
    if (stop.signal.aborted) return { kind: 'detached', chosen: isInteractive() };
    throw error;
  } finally {
    bar.stop();
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

function isInteractive(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY;
}

async function ask(id: string): Promise<'detach' | 'cancel' | 'go on'> {
  if (!isInteractive()) return 'detach';
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  // A second Ctrl-C at the question means cancel.
  const interrupted = new Promise<string>((resolve) => lines.once('SIGINT', () => resolve('c')));
  const question = `\nBatch ${id} runs on the server. [d]etach and let it run, [c]ancel it, or Enter to go on watching? `;
  const answer = await Promise.race([lines.question(question).catch(() => 'd'), interrupted]);
  lines.close();
  const first = answer.trim().toLowerCase()[0];
  return first === 'd' ? 'detach' : first === 'c' ? 'cancel' : 'go on';
}
