import { describe, expect, it } from 'vitest';
import { StageLines } from './stage-lines.ts';

const stages = (watched: boolean): { lines: StageLines; text: () => string } => {
  let text = '';
  const write = (more: string): void => void (text += more);
  return { lines: new StageLines({ write, watched }), text: () => text };
};

describe('stages', () => {
  it('are a line each, with how long they took', () => {
    const { lines, text } = stages(false);
    lines.enter('compiling', 5_000);
    lines.enter('compiling', 5_200);
    lines.enter('proving', 6_240);
    expect(text()).toBe('  compiling   1.24 s\n');
    lines.enter('ready', 6_250);
    lines.leave();
    expect(text()).toBe('  compiling   1.24 s\n  proving     0.01 s\n  ready\n');
  });

  it('show the one under way where somebody watches', () => {
    const { lines, text } = stages(true);
    lines.enter('compiling', 0);
    expect(text()).toBe('  compiling …');
    lines.enter('failed', 0);
    expect(text()).toBe('  compiling …\r\u001b[K  compiling   0.00 s\n  failed\n');
  });

  it('that nobody waits for any longer end their line', () => {
    const { lines, text } = stages(true);
    lines.enter('proving', 0);
    lines.leave();
    expect(text()).toBe('  proving …\n');
  });
});
