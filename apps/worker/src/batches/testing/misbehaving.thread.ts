import { parentPort } from 'node:worker_threads';
import type { FromThread, ToThread } from '../dataset-protocol.ts';

// Stands for a dataset thread in specs. The task's format says what the thread does with it.

const send = (message: FromThread): void => parentPort?.postMessage(message);
const held: Uint8Array[] = [];

parentPort?.on('message', (message: ToThread) => {
  if (message.kind === 'ping') send({ kind: 'pong' });
  if (message.kind !== 'plan' && message.kind !== 'validate') return;
  const { id } = message;
  const format = String(message.kind === 'plan' ? message.task.plan.format : message.task.spec.format);
  switch (format) {
    case 'busy':
      for (;;);
    case 'objects': {
      const objects: object[] = [];
      for (;;) objects.push({ at: objects.length });
    }
    case 'buffers':
      setInterval(() => held.push(new Uint8Array(16 * 1024 ** 2).fill(1)), 20);
      return;
    case 'slow':
      setTimeout(() => send({ kind: 'reply', id, reply: 'done' }), 1_000);
      return;
    case 'endless':
      return;
    default:
      send({ kind: 'reply', id, reply: 'done' });
  }
});

send({ kind: 'started', taskId: undefined });
