import { connect } from 'node:net';

const TIMEOUT_MS = 20_000;

/**
 * Sends one command to the Redis on a loopback port and returns its reply: a status, a number as text, or the text of a bulk string.
 * Only for commands whose reply is not an array. @throws Error with the text of an error reply.
 */
export function redisCommand(port: number, ...words: readonly string[]): Promise<string> {
  const request = `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port });
    const finish = (act: () => void): void => {
      socket.destroy();
      act();
    };
    let text = '';
    socket.setEncoding('utf8');
    socket.setTimeout(TIMEOUT_MS, () => finish(() => reject(new Error(`no reply to ${words.join(' ')}`))));
    socket.on('connect', () => socket.write(request));
    socket.on('error', reject);
    socket.on('data', (part: string) => {
      text += part;
      const head = text.indexOf('\r\n');
      if (head === -1) return;
      const first = text.slice(1, head);
      if (text.startsWith('-')) finish(() => reject(new Error(first)));
      else if (!text.startsWith('$')) finish(() => resolve(first));
      else if (Buffer.byteLength(text) >= head + 4 + Math.max(0, Number(first))) {
        finish(() => resolve(text.slice(head + 2, -2)));
      }
    });
  });
}
