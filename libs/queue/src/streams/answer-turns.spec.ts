import { describe, expect, it } from 'vitest';
import { AnswerTurns } from './answer-turns.ts';

/** Answers as `owner` and a number, and what was handed on in each turn of the event loop. */
function turns(): { readonly turns: AnswerTurns<string>; readonly handedOn: string[] } {
  const handedOn: string[] = [];
  const ownerOf = (answer: string): string => answer.charAt(0);
  return { turns: new AnswerTurns<string>({ ownerOf, handOn: (answer) => handedOn.push(answer) }), handedOn };
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

  it('hands many answers on in order, 16 in each turn of the event loop', async () => {
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
