import { describe, expect, it } from 'vitest';
import { StageLines } from './stage-lines.ts';

const stages = (watched: boolean): { lines: StageLines; text: () => string } => {
  let text = '';
  const write = (more: string): void => void (text += more);
  return { lines: new StageLines({ write, watched }), text: () => text };
};

describe('StageLines', () => {
  it('writes one line per stage, with the time that it took', () => {
    const { lines, text } = stages(false);
    lines.enter('compiling', 5_000);
    lines.enter('compiling', 5_200);
    lines.enter('proving', 6_240);
    expect(text()).toBe('  compiling   1.24 s\n');
    lines.enter('ready', 6_250);
    lines.leave();
    expect(text()).toBe('  compiling   1.24 s\n  proving     0.01 s\n  ready\n');
  });

  it('shows the current stage on a terminal', () => {
    const { lines, text } = stages(true);
    lines.enter('compiling', 0);
    expect(text()).toBe('  compiling …');
    lines.enter('failed', 0);
    expect(text()).toBe('  compiling …\r\u001b[K  compiling   0.00 s\n  failed\n');
  });

  it('ends the line of the current stage when the wait ends', () => {
    const { lines, text } = stages(true);
    lines.enter('proving', 0);
    lines.leave();
    expect(text()).toBe('  proving …\n');
  });
});
