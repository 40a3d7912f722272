import { setTimeout as delay } from 'node:timers/promises';
import { Command } from 'commander';
import type { SconceClient } from '@sconce/client';
import { SconceError } from '@sconce/errors';
import { renderWaterfall, type SpanRecord } from '@sconce/trace-view';
import type { CliConfig } from '../config.ts';
import { UsageError, failure } from '../output/failure.ts';
import { Terminal } from '../output/terminal.ts';
import { fetchTrace } from '../trace/fetch-trace.ts';
import { tracedBatch, tracedJob, type TracedWork } from '../trace/traced-work.ts';
import { connect } from './connect.ts';

interface TraceOptions {
  readonly attributes?: boolean;
  readonly json?: boolean;
}

const TRACE_ID = /^[0-9a-f]{32}$/;
const MAX_WIDTH = 160;
const DEFAULT_WIDTH = 100;
/** After this time the backend has the spans of ended work: processes send them once a second. */
const SENT_AFTER_MS = 1_500;
const TRIES = 4;
const RETRY_AFTER_MS = 500;

/** `sconce trace`: shows where the time of a job or batch went. */
export function traceCommand(config: CliConfig): Command {
  return new Command('trace')
    .description('show where the time of a job or a batch went, as a waterfall of its steps')
    .argument('<id>', 'id of a job, a batch (batch_…) or a trace (32 hexadecimal digits, as in `traceparent`)')
    .option('--attributes', 'show the attributes of the spans')
    .option('--json', 'print the spans as JSON')
    .addHelpText(
      'after',
      '\nThe trace is read from the backend that SCONCE_TRACE_URL names, here or at the server. `sconce up` keeps traces itself.\nIf there is no trace, the stages come from the record of the job or batch.',
    )
    .action(async (id: string, options: TraceOptions) => {
      await trace(config, id, options);
    });
}

async function trace(config: CliConfig, id: string, options: TraceOptions): Promise<void> {
  if (id.trim() === '') throw new UsageError('The id is empty.', 'Give an id, for example: sconce trace batch_0123…');
  const terminal = new Terminal({ json: options.json === true });
  const client = connect(config);
  if (TRACE_ID.test(id)) {
    const url = await urlOf(config, client, id);
    const spans = await fetchTrace(url);
    if (spans.length === 0) throw traceNotFound(id, url);
    show(terminal, spans, options);
    terminal.result({ trace_id: id, source: 'backend', spans });
    return;
  }
  const work = await findWork(client, id);
  const found = await recordedSpans(config, client, work);
  const { id: of, status, traceId } = work;
  terminal.print(work.title);
  if (found.spans.length === 0) terminal.note(found.why);
  const source = found.spans.length > 0 ? 'backend' : 'record';
  const spans = source === 'backend' ? found.spans : work.stages;
  show(terminal, spans, source === 'backend' ? options : { ...options, title: 'stages from its record' });
  terminal.result({ id: of, status, trace_id: traceId ?? null, source, spans });
}

async function findWork(client: SconceClient, id: string): Promise<TracedWork> {
  return id.startsWith('batch_')
    ? tracedBatch(await client.batches.get(id), Date.now())
    : tracedJob(await client.jobs.get(id), Date.now());
}

/** The recorded spans of a job or batch, or why there are none. */
async function recordedSpans(
  config: CliConfig,
  client: SconceClient,
  { traceId, endedAtMs }: TracedWork,
): Promise<{ readonly spans: readonly SpanRecord[]; readonly why: string }> {
  if (traceId === undefined) return { spans: [], why: 'It has no trace: tracing is off, or it was not sampled.' };
  try {
    return await fetchSpans(await urlOf(config, client, traceId), traceId, endedAtMs);
  } catch (error) {
    if (!(error instanceof SconceError)) throw error;
    const { code, message } = error;
    if (code === 'not_found') return { spans: [], why: message };
    // The address that the server has for the backend may not be reachable from here.
    if (code !== 'server_unreachable' || config.traceUrl !== undefined) throw error;
    return { spans: [], why: `${message}\nSet SCONCE_TRACE_URL to its address as seen from this machine.` };
  }
}

/** The spans that a backend has. For work that has just ended it waits until they may have arrived, and tries again. */
async function fetchSpans(
  url: string,
  traceId: string,
  endedAtMs: number | undefined,
): Promise<{ readonly spans: readonly SpanRecord[]; readonly why: string }> {
  const sentInMs = endedAtMs === undefined ? 0 : endedAtMs + SENT_AFTER_MS - Date.now();
  await delay(Math.min(SENT_AFTER_MS, Math.max(0, sentInMs)));
  const isRecent = sentInMs > -SENT_AFTER_MS;
  for (let tries = 1; ; tries += 1) {
    const spans = await fetchTrace(url);
    if (spans.length > 0 || !isRecent || tries === TRIES) return { spans, why: traceNotFound(traceId, url).message };
    await delay(RETRY_AFTER_MS);
  }
}

async function urlOf({ traceUrl }: CliConfig, client: SconceClient, traceId: string): Promise<string> {
  return traceUrl === undefined ? client.traceUrl(traceId) : `${traceUrl}/api/traces/${traceId}`;
}

function traceNotFound(traceId: string, url: string): SconceError {
  return failure('not_found', `The backend at ${new URL(url).origin} does not have trace ${traceId}.`, {
    hint: 'Try again in a few seconds. If it is still missing, it was not sampled or is already deleted.',
  });
}

function show(
  terminal: Terminal,
  spans: readonly SpanRecord[],
  { attributes = false, title }: TraceOptions & { readonly title?: string },
): void {
  const width = Math.min(MAX_WIDTH, process.stdout.columns ?? DEFAULT_WIDTH);
  terminal.print(renderWaterfall(spans, { width, attributes, title }).trimEnd());
}
