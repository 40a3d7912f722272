import { describe, expect, it } from 'vitest';
import { AnswerTurns } from './answer-turns.ts';

/** Handing an answer on takes a sixteenth of a millisecond on the clock of the spec. */
const ANSWER_MS = 1 / 16;

/** Answers are an owner's letter and a number. */
function turns() {
  const handedOn: string[] = [];
  const clock = { ms: 1_000 };
  const own = new AnswerTurns<string>({
    ownerOf: (answer) => answer.charAt(0),
    handOn: (answer) => {
      handedOn.push(answer);
      clock.ms += ANSWER_MS;
    },
    now: () => clock.ms,
  });
  // Some were handed on just now.
  own.add(answersOf('z', 17));
  own.flush();
  handedOn.length = 0;
  return { turns: own, handedOn, clock };
}

const answersOf = (owner: string, count: number): string[] => Array.from({ length: count }, (_, n) => `${owner}${n}`);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('AnswerTurns', () => {
  it('hands few answers on at once', () => {
    const { turns: own, handedOn } = turns();
    own.add(answersOf('a', 16));
    expect(handedOn).toEqual(answersOf('a', 16));
    expect(own.isEmpty).toBe(true);
  });

  it('hands many answers on in order, for a millisecond in each turn of the event loop', async () => {
    const { turns: own, handedOn } = turns();
    own.add(answersOf('a', 40));
    const counts = [handedOn.length];
    while (!own.isEmpty) {
      await turn();
      counts.push(handedOn.length);
    }
    expect(counts).toEqual([16, 32, 40]);
    expect(handedOn).toEqual(answersOf('a', 40));
  });

  it('lets owners take turns, so an answer that comes later does not wait behind those of another owner', async () => {
    const { turns: own, handedOn } = turns();
    own.add(answersOf('a', 100));
    own.add(['b0', 'b1']);
    own.add(['b2', 'c0']);
    await turn();
    expect(handedOn.filter((answer) => !answer.startsWith('a'))).toEqual(['b0', 'c0', 'b1', 'b2']);
    expect(handedOn).toHaveLength(32);
    own.flush();
    expect(handedOn).toHaveLength(104);
    expect(handedOn.filter((answer) => answer.startsWith('a'))).toEqual(answersOf('a', 100));
  });

  it('gives answers a quarter of the time, also when turns of the event loop are long', async () => {
    const { turns: own, handedOn, clock } = turns();
    own.add(answersOf('a', 300));
    expect(handedOn).toHaveLength(16);
    clock.ms += 20;
    await turn();
    expect(handedOn).toHaveLength(96);
    clock.ms += 1_000;
    await turn();
    expect(handedOn).toEqual(answersOf('a', 300));
    clock.ms += 40;
    own.add(answersOf('b', 300));
    expect(handedOn).toHaveLength(300 + 160);
    own.flush();
  });

  it('hands on everything at once when it is flushed', async () => {
    const { turns: own, handedOn } = turns();
    own.add(answersOf('a', 50));
    own.flush();
    expect(handedOn).toHaveLength(50);
    await turn();
    own.add(['a50']);
    expect(handedOn).toHaveLength(51);
  });
});
