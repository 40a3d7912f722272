import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { withTimeout } from '@sconce/process/time';
import type { Logger } from '@sconce/telemetry';
import type { GrpcServer, GrpcServerOptions } from './grpc-server.ts';

export interface GrpcPortOptions extends Omit<GrpcServerOptions, 'endConnection'> {
  readonly logger: Logger;
}

export interface GrpcAddress {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Whether other processes listen on the port too. */
  readonly reusePort?: boolean;
}

/**
 * The port of gRPC. The modules of its server are loaded with the first connection: a process that nobody calls over gRPC does not pay for
 * them.
 *
 * States: *made* → *listening* (`listen`) → *closed* (`close`).
 */
export class GrpcPort {
  readonly #options: GrpcPortOptions;
  readonly #server: Server;
  readonly #sockets = new Map<string, Socket>();
  #grpc: Promise<GrpcServer> | undefined;

  constructor(options: GrpcPortOptions) {
    this.#options = options;
    // Node's HTTP/2 takes what a socket has read while the modules are loaded.
    this.#server = createServer({ noDelay: true }, (socket) => this.#connect(socket));
  }

  /** Returns the number of the port. @throws the system's error, such as EADDRINUSE. */
  async listen(address: GrpcAddress): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(address, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    return (this.#server.address() as AddressInfo).port;
  }

  /** Refuses new connections and calls, and ends the connections when the calls under way have ended, or after the grace period. */
  async close(graceMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    const grpc = await this.#grpc;
    if (grpc !== undefined) {
      grpc.connections.drain(graceMs);
      await withTimeout(grpc.close(), graceMs);
    }
    for (const socket of this.#sockets.values()) socket.destroy();
    await closed;
  }

  #connect(socket: Socket): void {
    const peer = peerOf(socket);
    this.#sockets.set(peer, socket);
    socket.once('close', () => this.#sockets.delete(peer));
    // A caller that resets its connection while the modules are loaded.
    socket.on('error', () => socket.destroy());
    this.#grpc ??= this.#load();
    this.#grpc.then(
      ({ connections }) => {
        if (!socket.destroyed) connections.injectConnection(socket);
      },
      (error: unknown) => {
        this.#options.logger.error({ err: error }, 'the server of gRPC cannot be started');
        socket.destroy();
      },
    );
  }

  async #load(): Promise<GrpcServer> {
    const { createGrpcServer } = await import('./grpc-server.ts');
    return createGrpcServer({ ...this.#options, endConnection: (peer) => this.#sockets.get(peer)?.destroy() });
  }
}

/** The address of a caller, as grpc-js writes it. */
function peerOf({ remoteAddress = 'unknown', remotePort = 0 }: Socket): string {
  return `${remoteAddress}:${remotePort}`;
}
