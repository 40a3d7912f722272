import type { SconceError } from '@sconce/errors';

import { modelError } from '../torchscript-error.ts';
import type { Position } from './ast.ts';
import { positionOf } from './position.ts';

/** Largest number of characters of the line that a message quotes. */
const MAX_QUOTED_CHARS = 160;

/** The error for code that cannot be parsed: `code/__torch__.py:12:4: expected “)”, found “x” in “y = torch.add(x y)”`. */
export function parseError(at: Position, what: string): SconceError {
  const { path, line, column, lineText } = positionOf(at);
  const from = Math.max(0, Math.min(column - MAX_QUOTED_CHARS / 2, lineText.length - MAX_QUOTED_CHARS));
  const quoted = lineText.slice(from, from + MAX_QUOTED_CHARS).trim();
  return modelError('parse', `${path}:${line}:${column}: ${what}${quoted === '' ? '' : ` in “${quoted}”`}`);
}
