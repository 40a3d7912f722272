import { describe, expect, it } from 'vitest';
import { StageLines } from './stage-lines.ts';

const stages = (watched: boolean): { lines: StageLines; text: () => string; later: (ms: number) => void } => {
  let [text, now] = ['', 0];
  const write = (more: string): void => void (text += more);
  const later = (ms: number): void => void (now += ms);
  return { lines: new StageLines({ write, watched, now: () => now }), text: () => text, later };
};

describe('stages', () => {
  it('are a line each, with how long they took', () => {
    const { lines, text, later } = stages(false);
    lines.enter('compiling');
    later(200);
    lines.enter('compiling');
    later(1_040);
    lines.enter('proving');
    expect(text()).toBe('  compiling   1.24 s\n');
    later(10);
    lines.enter('ready');
    lines.leave();
    expect(text()).toBe('  compiling   1.24 s\n  proving     0.01 s\n  ready\n');
  });

  it('show the one under way where somebody watches', () => {
    const { lines, text } = stages(true);
    lines.enter('compiling');
    expect(text()).toBe('  compiling …');
    lines.enter('failed');
    expect(text()).toBe('  compiling …\r\u001b[K  compiling   0.00 s\n  failed\n');
  });

  it('that nobody waits for any longer end their line', () => {
    const { lines, text } = stages(true);
    lines.enter('proving');
    lines.leave();
    expect(text()).toBe('  proving …\n');
  });
});
