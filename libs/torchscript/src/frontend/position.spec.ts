import { describe, expect, it } from 'vitest';

import type { SourceOrigin, SourceText } from '../archive/torchscript-archive.ts';
import type { Position } from './ast.ts';
import { parseSource } from './parser.ts';
import { describePosition, originOf, positionOf } from './position.ts';

const TEXT = 'def f(x):\n  a = "größer"\n  return torch.relu(x)\n';

/** A source whose origins have the requested offset as their line. */
function sourceOf(text: string, origin: Partial<SourceOrigin> | undefined): SourceText {
  return {
    path: '__torch__/net.py',
    text,
    originAt: (offset) => (origin === undefined ? undefined : { file: 'net.py', line: offset, stack: [], ...origin }),
  };
}

function callOf(source: SourceText): Position {
  const statement = parseSource(source).functions[0]?.body.at(-1);
  const value = statement?.kind === 'return' ? statement.value : undefined;
  if (value === undefined) throw new Error('no return');
  return value.at;
}

describe('positions', () => {
  it('have line, column and the line’s text', () => {
    const at = callOf(sourceOf(TEXT, undefined));
    expect(positionOf(at)).toEqual({
      ...{ path: 'code/__torch__/net.py', line: 3, column: 9, lineText: '  return torch.relu(x)' },
    });
    expect(describePosition(at)).toBe('code/__torch__/net.py:3:9');
  });

  it.each([0, 1, 9, 10, 25, TEXT.length])('are right at character %i', (offset) => {
    const lines = TEXT.slice(0, offset).split('\n');
    const { line, column, lineText } = positionOf({ source: sourceOf(TEXT, undefined), offset });
    expect([line, column]).toEqual([lines.length, lines.at(-1)?.length]);
    expect(lineText).toBe(TEXT.split('\n')[line - 1]);
  });

  it('name the author’s line if it is recorded', () => {
    const at = callOf(sourceOf(TEXT, { line: 7, text: '    return self.relu(x)  ' }));
    expect(describePosition(at)).toBe('code/__torch__/net.py:3:9 (net.py:7: return self.relu(x))');
    expect(describePosition(callOf(sourceOf(TEXT, { line: 7 })))).toBe('code/__torch__/net.py:3:9 (net.py:7)');
  });

  it('count bytes of UTF-8 for origins', () => {
    const at = callOf(sourceOf(TEXT, {}));
    expect(originOf(at)?.line).toBe(at.offset + 2);
    const ascii = callOf(sourceOf(TEXT.replace('größer', 'larger'), {}));
    expect(originOf(ascii)?.line).toBe(ascii.offset);
  });
});
