import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** Forwards connections on loopback to a port. It can delay what the port answers, and cut connections. */
export interface TcpProxy {
  readonly port: number;
  /** Holds each piece of an answer back for this time, in order. 0 forwards at once. */
  delayReplies(ms: number): void;
  /** Cuts all connections. While `refuse` is set, new ones are cut too. */
  cut(refuse: boolean): void;
  /** Takes connections again. */
  accept(): void;
  stop(): Promise<void>;
}

/** Starts a proxy in front of `targetPort`. */
export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let delayMs = 0;
  let refusing = false;
  const server = createServer((client) => {
    if (refusing) return void client.destroy();
    const target = connect({ host: '127.0.0.1', port: targetPort });
    for (const [own, other] of [
      [client, target],
      [target, client],
    ] as const) {
      sockets.add(own);
      own.setNoDelay(true);
      own.on('error', () => other.destroy());
      own.on('close', () => {
        sockets.delete(own);
        other.destroy();
      });
    }
    client.on('data', (bytes) => void target.write(bytes));
    // A piece waits for the pieces before it, so that a smaller delay does not change the order.
    const waiting: { readonly bytes: Buffer; readonly dueAt: number }[] = [];
    const forward = (): void => {
      const [first] = waiting;
      if (first === undefined) return;
      const leftMs = first.dueAt - performance.now();
      if (leftMs > 0) return void setTimeout(forward, leftMs);
      client.write(first.bytes);
      waiting.shift();
      forward();
    };
    target.on('data', (bytes) => {
      waiting.push({ bytes, dueAt: performance.now() + delayMs });
      if (waiting.length === 1) forward();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cutAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    delayReplies: (ms) => (delayMs = ms),
    cut: (refuse) => {
      refusing = refuse;
      cutAll();
    },
    accept: () => (refusing = false),
    stop: async () => {
      const closed = once(server, 'close');
      server.close();
      cutAll();
      await closed;
    },
  };
}
