import { trace } from '@opentelemetry/api';
import { pino, stdTimeFunctions, type DestinationStream, type Logger } from 'pino';
import { serializeErrorForLog } from './error-serializer.ts';
import { prettyDestination } from './pretty-log.ts';

export type { DestinationStream, Logger } from 'pino';

/** Levels from the most detailed to the most serious. `silent` writes nothing. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Options of `createLogger`. */
export interface LoggerOptions {
  /** Name of the program in every line: `api`, `worker`, `cli`. */
  readonly service: string;
  readonly level: LogLevel;
  /** Lines for people instead of JSON. Default false. */
  readonly pretty?: boolean;
  /** Where lines go. Default: stdout. */
  readonly destination?: DestinationStream;
}

const SECRET_HEADERS = ['authorization', 'Authorization', 'proxy-authorization', 'cookie', 'set-cookie', 'x-api-key'];

/** Places of headers in log entries: the entry itself, `headers`, or one level down (`req.headers`). */
const REDACTED_PATHS = SECRET_HEADERS.flatMap((header) =>
  ['', 'headers', '*.headers'].map((place) => `${place}["${header}"]`),
);

/**
 * Makes the logger of a process. Each line is a JSON object with ISO time, level name, `trace_id` and `span_id` of the active span, and
 * errors (`err`) with codes and causes. Credentials in headers are redacted.
 */
export function createLogger(options: LoggerOptions): Logger {
  const destination = options.destination ?? pino.destination(1);
  return pino(
    {
      level: options.level,
      base: { service: options.service, pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      mixin: activeSpanIds,
      serializers: { err: serializeErrorForLog },
      redact: { paths: REDACTED_PATHS, censor: '[redacted]' },
    },
    options.pretty === true ? prettyDestination(destination) : destination,
  );
}

function activeSpanIds(): { trace_id?: string; span_id?: string } {
  const span = trace.getActiveSpan()?.spanContext();
  return span === undefined ? {} : { trace_id: span.traceId, span_id: span.spanId };
}
