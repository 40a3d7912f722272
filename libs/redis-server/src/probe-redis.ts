import { connect, createServer } from 'node:net';

/** The result of one probe: the server answers, it is not ready, or another process uses the port. */
export type ProbeResult = 'ready' | 'not-ready' | 'other-process';

const MAX_REPLY_BYTES = 64 * 1024;

/**
 * Asks the Redis at 127.0.0.1:`port` for PONG and for its process id, with two inline commands over one connection.
 * The process id shows whether the answer comes from our server or from another process that took the port first.
 */
export function probeRedis(options: { port: number; pid: number; timeoutMs: number }): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port: options.port });
    let reply = '';
    const finish = (result: ProbeResult): void => {
      socket.destroy();
      resolve(result);
    };
    socket.setEncoding('latin1');
    socket.setTimeout(options.timeoutMs, () => finish('not-ready'));
    socket.on('error', () => finish('not-ready'));
    socket.on('close', () => finish('not-ready'));
    socket.on('connect', () => socket.write('PING\r\nINFO server\r\n'));
    socket.on('data', (text: string) => {
      reply += text;
      const processId = /\r\nprocess_id:(\d+)\r\n/.exec(reply)?.[1];
      if (processId !== undefined && Number(processId) !== options.pid) finish('other-process');
      else if (reply.startsWith('-LOADING')) finish('not-ready');
      else if (processId !== undefined && reply.startsWith('+PONG\r\n')) finish('ready');
      else if (reply.startsWith('-') || reply.length > MAX_REPLY_BYTES) finish('other-process');
    });
  });
}

/** A loopback TCP port that was free a moment ago. Another process may take it before the caller does. */
export function freeLoopbackPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
