import { Writable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { expect, it } from 'vitest';
import { SconceError } from '@sconce/errors';
import { createLogger } from '@sconce/telemetry';
import { answerError } from './error-answer.ts';

interface Answered {
  readonly levels: readonly number[];
  readonly sent: boolean;
}

/** What is logged and sent for a thrown value, when the caller is there or has gone. */
function answerTo(thrown: unknown, hasGone: boolean): Answered {
  const levels: number[] = [];
  const destination = new Writable({
    write(line, _encoding, done) {
      levels.push((JSON.parse(String(line)) as { level: number }).level);
      done();
    },
  });
  let sent = false;
  const reply = {
    raw: { destroyed: hasGone, headersSent: false },
    sent: false,
    header: () => reply,
    status: () => reply,
    send: () => {
      sent = true;
    },
  };
  answerError(
    {
      request: { method: 'POST', url: '/v1/files', headers: {} } as FastifyRequest,
      reply: reply as unknown as FastifyReply,
      thrown,
    },
    createLogger({ service: 'api', level: 'info', destination }),
  );
  return { levels, sent };
}

const aborted = Object.assign(new Error('aborted'), { code: 'ECONNRESET' });
const wrapped = new SconceError('storage_unavailable', 'storing failed', { cause: aborted });

it.each([aborted, wrapped])('a stream that its caller closed is no error: %s', (thrown) => {
  expect(answerTo(thrown, true)).toEqual({ levels: [], sent: false });
});

it('the same error while the caller is there is one, and so is another one when the caller has gone', () => {
  for (const [thrown, hasGone] of [
    [aborted, false],
    [wrapped, false],
    [new Error('a fault'), true],
  ] as const) {
    const { levels, sent } = answerTo(thrown, hasGone);
    expect(levels).toHaveLength(1);
    expect(sent).toBe(true);
  }
});
