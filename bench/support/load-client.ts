/**
 * A load generator that needs little CPU, because it shares the machine with the server that it measures. It sends prepared
 * bytes over keep-alive connections, one request at a time on each, and reads only status and length of an answer.
 *
 * It runs as its own process: `fork(this file)`, send a `LoadPlan`, receive a `LoadReport`.
 */
import { connect, type Socket } from 'node:net';
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';

/** The requests to send, how many and how long. */
export interface LoadPlan {
  readonly url: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Base64; sent in turn. */
  readonly bodies: readonly string[];
  /** Connections. In an open loop the limit of requests in flight. */
  readonly inFlight: number;
  /** Open loop: requests per second at fixed times, independent of the answers. Absent: a closed loop. */
  readonly rate?: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
}

/** The result. Latencies in ms, of successful answers in the measured seconds; in an open loop from the due time of a request. */
export interface LoadReport {
  readonly requests: number;
  readonly failed: number;
  /** Failed requests by HTTP status; 0 means that the connection failed. */
  readonly byStatus: Readonly<Record<string, number>>;
  /** Requests that were due but never sent, because `inFlight` were in flight. */
  readonly unsent: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

const HEAD_END = Buffer.from('\r\n\r\n');

class Connection {
  readonly #socket: Socket;
  readonly #onAnswer: (connection: Connection, status: number) => void;
  dueMs = 0;
  #head: Buffer | undefined;
  #left = -1;
  #status = 0;

  constructor(url: URL, onAnswer: (connection: Connection, status: number) => void) {
    this.#onAnswer = onAnswer;
    this.#socket = connect(Number(url.port), url.hostname);
    this.#socket.setNoDelay(true);
    this.#socket.on('data', (chunk) => this.#read(chunk));
    this.#socket.on('error', () => this.#onAnswer(this, 0));
  }

  send(request: Buffer, dueMs: number): void {
    this.dueMs = dueMs;
    this.#head = undefined;
    this.#left = -1;
    this.#socket.write(request);
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    if (this.#left < 0) {
      const bytes = this.#head === undefined ? chunk : Buffer.concat([this.#head, chunk]);
      const end = bytes.indexOf(HEAD_END);
      if (end < 0) {
        this.#head = bytes;
        return;
      }
      const head = bytes.toString('latin1', 0, end);
      this.#status = Number(head.slice(9, 12));
      const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
      if (length === undefined) throw new Error(`an answer without its length: ${head}`);
      this.#left = Number(length) - (bytes.byteLength - end - HEAD_END.byteLength);
    } else this.#left -= chunk.byteLength;
    if (this.#left <= 0) this.#onAnswer(this, this.#status);
  }
}

async function run(plan: LoadPlan): Promise<LoadReport> {
  const url = new URL(plan.url);
  const requests = plan.bodies.map((body) => requestOf(url, plan, Buffer.from(body, 'base64')));
  const histogram = createHistogram({ figures: 3 });
  const startMs = performance.now();
  const count = { requests: 0, failed: 0, byStatus: {} as Record<string, number>, unsent: 0, next: 0 };
  const [fromMs, toMs] = [startMs + plan.warmupSeconds * 1e3, startMs + (plan.warmupSeconds + plan.seconds) * 1e3];
  const next = (): Buffer => requests[count.next++ % requests.length] as Buffer;
  const idle: Connection[] = [];
  const record = (connection: Connection, status: number): void => {
    const now = performance.now();
    if (now < fromMs || now > toMs) return;
    count.requests += 1;
    if (status !== 200) {
      count.failed += 1;
      count.byStatus[status] = (count.byStatus[status] ?? 0) + 1;
      return;
    }
    histogram.record(Math.max(1, Math.round((now - connection.dueMs) * 1e3)));
  };
  const closed = (connection: Connection, status: number): void => {
    record(connection, status);
    const now = performance.now();
    if (now < toMs) connection.send(next(), now);
  };
  const open = (connection: Connection, status: number): void => {
    record(connection, status);
    idle.push(connection);
  };
  const connections = Array.from(
    { length: plan.inFlight },
    () => new Connection(url, plan.rate === undefined ? closed : open),
  );
  if (plan.rate === undefined) for (const connection of connections) connection.send(next(), performance.now());
  else {
    idle.push(...connections);
    for (let n = 0; ; n++) {
      const dueMs = startMs + (n * 1e3) / plan.rate;
      if (dueMs > toMs) break;
      // Timers are exact to a millisecond: requests that are due within it are sent together, each with its own due time.
      const waitMs = dueMs - performance.now();
      if (waitMs > 0.5) await new Promise((resolve) => setTimeout(resolve, waitMs));
      const connection = idle.pop();
      if (connection !== undefined) connection.send(next(), dueMs);
      else if (dueMs >= fromMs) count.unsent += 1;
    }
  }
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, toMs - performance.now())));
  for (const connection of connections) connection.close();
  return report(plan, histogram, count);
}

function requestOf(url: URL, { path, headers }: LoadPlan, body: Buffer): Buffer {
  const lines = Object.entries({ host: url.host, ...headers, 'content-length': String(body.byteLength) });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\n${head}\r\n`), body]);
}

function report(
  { seconds }: LoadPlan,
  histogram: RecordableHistogram,
  { requests, failed, byStatus, unsent }: Pick<LoadReport, 'requests' | 'failed' | 'byStatus' | 'unsent'>,
): LoadReport {
  const ms = (q: number): number => histogram.percentile(q) / 1e3;
  const perSecond = (requests - failed) / seconds;
  return {
    requests,
    failed,
    byStatus,
    unsent,
    perSecond,
    p50: ms(50),
    p90: ms(90),
    p99: ms(99),
    max: histogram.max / 1e3,
  };
}

process.once('message', (plan: LoadPlan) => {
  void run(plan).then((result) => {
    process.send?.(result, () => process.exit(0));
  });
});
