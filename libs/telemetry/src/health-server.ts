import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Telemetry } from './telemetry.ts';

/** The metrics and health port of a process: /metrics, /health/live, /health/ready. */
export class HealthServer {
  readonly #server: Server;

  /** `ready` is asked on every probe. */
  constructor(options: { telemetry: Telemetry; ready: () => boolean | Promise<boolean> }) {
    this.#server = createServer((request, response) => void answer(request, response, options));
  }

  /** Listens; answers the URL. */
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
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { telemetry, ready }: { telemetry: Telemetry; ready: () => boolean | Promise<boolean> },
): Promise<void> {
  const json = (status: number, body: object): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  switch (request.url?.split('?')[0]) {
    case '/metrics':
      await telemetry.handleMetricsRequest(request, response);
      return;
    case '/health/live':
      json(200, { live: true });
      return;
    case '/health/ready': {
      const isReady = await ready();
      json(isReady ? 200 : 503, { ready: isReady });
      return;
    }
    default:
      json(404, { error: 'not found' });
  }
}
