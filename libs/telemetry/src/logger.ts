import { trace } from '@opentelemetry/api';
import { pino, stdTimeFunctions, type DestinationStream, type Logger } from 'pino';
import { serializeErrorForLog } from './error-serializer.ts';
import { prettyDestination } from './pretty-log.ts';

export type { DestinationStream, Logger } from 'pino';

/** Levels in order of weight; `silent` writes nothing. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LoggerOptions {
  /** The process's name in every line: `api`, `worker`, `cli`. */
  readonly service: string;
  readonly level: LogLevel;
  /** Lines for people instead of JSON. Default false. */
  readonly pretty?: boolean;
  /** Where lines go. Default: stdout. */
  readonly destination?: DestinationStream;
}

const SECRET_HEADERS = ['authorization', 'Authorization', 'proxy-authorization', 'cookie', 'set-cookie', 'x-api-key'];

/** Where headers are found in what we log: as the entry itself, `headers`, or one level down (`req.headers`). */
const REDACTED_PATHS = SECRET_HEADERS.flatMap((header) =>
  ['', 'headers', '*.headers'].map((place) => `${place}["${header}"]`),
);

/**
 * Makes the process's logger: one JSON object a line with ISO time and named level, `trace_id`/`span_id` of the
 * active span, errors (under `err`) with their codes and causes, and credentials in headers redacted.
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
