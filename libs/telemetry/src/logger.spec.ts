import { SconceError } from '@sconce/errors';
import { context } from '@opentelemetry/api';
import { afterEach, describe, expect, it } from 'vitest';
import { contextWithSpan, createLogger, startTelemetry, type Telemetry } from './index.ts';

function capture(options: { pretty?: boolean; level?: 'info' | 'debug' } = {}) {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const logger = createLogger({ service: 'api', level: 'info', destination, ...options });
  return { logger, lines, entry: () => JSON.parse(lines.at(-1) ?? '{}') as Record<string, unknown> };
}

let telemetry: Telemetry | undefined;
afterEach(() => telemetry?.shutdown());

describe('createLogger', () => {
  it('writes level, time, service and message, for its level and above', () => {
    const { logger, lines, entry } = capture();
    logger.debug('not written');
    logger.info({ model: 'm' }, 'loaded');
    expect(lines).toHaveLength(1);
    expect(entry()).toMatchObject({ level: 'info', service: 'api', pid: process.pid, model: 'm', msg: 'loaded' });
    expect(entry()['time']).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
    expect(entry()).not.toHaveProperty('trace_id');
  });

  it('adds the ids of the active span, across awaits and in child loggers', async () => {
    telemetry = await startTelemetry({
      service: 's',
      version: '1',
      instanceId: 'i',
      traces: { exporter: 'none', endpoint: '', protocol: 'http/json', headers: {}, sampleRatio: 1 },
    });
    const { logger, entry } = capture();
    const span = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1 };
    await context.with(contextWithSpan(context.active(), span), async () => {
      await Promise.resolve();
      logger.child({ part: 'x' }).info('inside');
    });
    expect(entry()).toMatchObject({ trace_id: span.traceId, span_id: span.spanId, part: 'x' });
  });

  it('logs errors with code, details and causes', () => {
    const { logger, entry } = capture();
    const cause = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
    const error = new SconceError('redis_unavailable', 'no Redis', { details: { param: 'url' }, cause });
    logger.error({ err: error }, 'failed');
    expect(entry()['err']).toMatchObject({
      type: 'SconceError',
      code: 'redis_unavailable',
      message: 'no Redis',
      details: { param: 'url' },
      stack: expect.stringContaining('no Redis') as string,
      cause: { type: 'Error', code: 'ECONNREFUSED', message: 'connect' },
    });
  });

  it('follows at most five causes and accepts values that are not errors', () => {
    const { logger, entry } = capture();
    const loop = new Error('loop');
    loop.cause = loop;
    logger.error({ err: loop });
    expect(JSON.stringify(entry()).match(/"message":"loop"/g)).toHaveLength(5);
    logger.error({ err: new AggregateError([new Error('one'), 'two']) });
    expect(entry()['err']).toMatchObject({ errors: [{ message: 'one' }, { type: 'string', message: 'two' }] });
  });

  it.each<[object, string]>([
    [{ headers: { authorization: 'Bearer x', accept: 'y' } }, 'headers'],
    [{ req: { headers: { authorization: 'Bearer x', cookie: 'x=1' } } }, 'req'],
    [{ authorization: 'Bearer x' }, 'the entry'],
  ])('redacts credentials in %j (%s)', (fields) => {
    const { logger, lines } = capture();
    logger.info(fields, 'request');
    expect(lines[0]).toContain('"authorization":"[redacted]"');
    expect(lines[0]).not.toMatch(/Bearer|x=1/);
  });

  it('writes readable lines with `pretty`', () => {
    const { logger, lines } = capture({ pretty: true });
    logger.warn({ queue: 'q', err: new SconceError('queue_full', 'full', { cause: new Error('why') }) }, 'try later');
    expect(lines[0]).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} WARN  api try later queue=q\n {2}\[queue_full\] SconceError: full\n/,
    );
    expect(lines[0]).toContain('\n    Error: why\n');
  });
});
