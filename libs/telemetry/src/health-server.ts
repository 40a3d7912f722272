import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Telemetry } from './telemetry.ts';

/** Options of `HealthServer`. */
export interface HealthServerOptions {
  readonly telemetry: Pick<Telemetry, 'handleMetricsRequest'>;
  /** Whether the process can take work now. Called for every probe. */
  readonly ready: () => boolean | Promise<boolean>;
  /** The backlog of a pool, for `/backlog/POOL`; undefined if the pool does not exist. */
  readonly backlog?: (pool: string) => Promise<object | undefined>;
}

/**
 * The metrics and health port of a process: `/metrics`; `/health/live`, true while the process runs; `/health/ready`, true while it takes
 * work; `/health/started`, true from the first time it was ready. The last one tells a starting process from a draining one.
 */
export class HealthServer {
  readonly #server: Server;
  readonly #options: HealthServerOptions;
  #started = false;

  constructor(options: HealthServerOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        if (!response.headersSent) response.writeHead(503);
        response.end(JSON.stringify({ error: (error as Error).message }));
      });
    });
  }

  /** Starts to listen and returns the URL. */
  async listen(host: string, port: number): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, resolve);
    });
    return `http://${host}:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const json = (status: number, body: object): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    const { telemetry, backlog } = this.#options;
    const [, first, second] = request.url?.split('?')[0]?.split('/') ?? [];
    switch (`${first ?? ''}/${first === 'backlog' ? '' : (second ?? '')}`) {
      case 'metrics/':
        await telemetry.handleMetricsRequest(request, response);
        return;
      case 'health/live':
        json(200, { live: true });
        return;
      case 'health/started': {
        const started = this.#started || (await this.#ready());
        json(started ? 200 : 503, { started });
        return;
      }
      case 'health/ready': {
        const ready = await this.#ready();
        json(ready ? 200 : 503, { ready });
        return;
      }
      case 'backlog/': {
        const found = await backlog?.(second ?? '');
        json(found === undefined ? 404 : 200, found ?? { error: 'not found' });
        return;
      }
      default:
        json(404, { error: 'not found' });
    }
  }

  async #ready(): Promise<boolean> {
    const ready = await this.#options.ready();
    this.#started ||= ready;
    return ready;
  }
}
