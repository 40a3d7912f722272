import { describe, expect, it } from 'vitest';
import { AnswerRate } from '../producers/answer-rate.ts';
import { request } from '../testing/stream-system.ts';
import { OutstandingRequest } from './outstanding-request.ts';
import { WaitingLine } from './waiting-line.ts';

const THREADS = 2;
const SMALL = 100;
const LARGE = 600 * 1024;

/** A line whose requests run for so long each; undefined: no answer has come yet. */
function lineOf(runMs: number | undefined): WaitingLine {
  const line = new WaitingLine('line', 'default');
  if (runMs !== undefined) line.noteRun(runMs, 1, 1);
  return line;
}

function add(line: WaitingLine, count: number, bytes: number): void {
  for (let number = 1; number <= count; number++) {
    line.add(
      new OutstandingRequest({
        number,
        request: request(number),
        line,
        admitted: { owner: undefined, bytes, rate: new AnswerRate() },
        acceptedAtMs: 0,
        deadlineMs: 1e15,
        listener: { onAnswer: () => undefined, onError: () => undefined },
        onInputsUnused: undefined,
        endUse: () => undefined,
        onGivenUp: () => undefined,
      }),
    );
  }
}

/** The entries that go, as lists of requests. */
function flush(line: WaitingLine): OutstandingRequest[][] {
  const entries: OutstandingRequest[][] = [];
  while (line.mayFlush(THREADS)) entries.push(line.take());
  return entries;
}

const sizes = (entries: readonly (readonly unknown[])[]): readonly number[] => entries.map(({ length }) => length);

describe('WaitingLine', () => {
  it('has two entries in flight before the first answer, however large the inputs are', () => {
    const line = lineOf(undefined);
    add(line, 200, SMALL);
    expect(sizes(flush(line))).toEqual([64, 64]);
    const large = lineOf(undefined);
    add(large, 200, LARGE);
    expect(sizes(flush(large))).toEqual([1, 1]);
  });

  it('has two entries of a fast model in flight, and one more for each thread of a slow one', () => {
    const fast = lineOf(0.01);
    add(fast, 300, SMALL);
    expect(sizes(flush(fast))).toEqual([64, 64]);
    const slow = lineOf(5);
    add(slow, 300, SMALL);
    expect(sizes(flush(slow))).toEqual([10, 10, 10, 10]);
    const slowest = lineOf(500);
    add(slowest, 300, SMALL);
    expect(sizes(flush(slowest))).toEqual([1, 1, 1, 1]);
  });

  it('has as many large inputs in flight as full entries would hold, or 16 MiB', () => {
    const slow = lineOf(15);
    add(slow, 100, LARGE);
    // Four entries of three requests each, one request to an entry.
    expect(sizes(flush(slow))).toEqual(Array.from({ length: 12 }, () => 1));
    const faster = lineOf(1.3);
    add(faster, 100, LARGE);
    expect(flush(faster)).toHaveLength(Math.ceil((16 * 1024 ** 2) / LARGE));
  });

  it('sends a further entry when it holds as much as those in flight do on average', () => {
    const line = lineOf(1);
    for (let turn = 0; turn < 4; turn++) {
      add(line, 10, SMALL);
      expect(sizes(flush(line))).toEqual([10]);
    }
    add(line, 9, SMALL);
    expect(flush(line)).toEqual([]);
    add(line, 1, SMALL);
    expect(sizes(flush(line))).toEqual([10]);
  });

  it('has room again when requests end, also when their entry has not ended', () => {
    const line = lineOf(15);
    add(line, 13, LARGE);
    const [first = []] = flush(line);
    expect(line.mayFlush(THREADS)).toBe(false);
    for (const ended of first) line.ended(ended, true);
    expect(sizes(flush(line))).toEqual([1]);
    const merged = lineOf(5);
    add(merged, 60, SMALL);
    const entries = flush(merged);
    expect(merged.mayFlush(THREADS)).toBe(false);
    for (const entry of entries) for (const ended of entry.slice(1)) merged.ended(ended, false);
    expect(sizes(flush(merged))).toEqual([10, 10]);
  });

  it('is idle when nothing waits and nothing is in flight', () => {
    const line = lineOf(5);
    add(line, 3, SMALL);
    const [entry = []] = flush(line);
    expect(line.isIdle).toBe(false);
    entry.forEach((ended, index) => {
      line.ended(ended, index === 2);
    });
    expect(line.isIdle).toBe(true);
    add(line, 1, LARGE);
    expect(line.isIdle).toBe(false);
  });
});
