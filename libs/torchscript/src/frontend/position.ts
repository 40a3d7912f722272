import type { Position } from './ast.ts';

/** A place in the serialised code, for messages. */
export function describePosition(at: Position): string {
  const { text, path } = at.source;
  const before = text.slice(0, at.offset);
  const line = before.split('\n').length;
  const column = at.offset - (before.lastIndexOf('\n') + 1);
  const origin = at.source.originAt(at.offset);
  const where = `code/${path}:${line}:${column}`;
  if (origin === undefined) return where;
  if (origin.text !== undefined) return `${where} (${origin.file}:${origin.line}: ${origin.text.trim()})`;
  // A trace records the frames of the call, innermost first: those within PyTorch say little about the model.
  const frame = origin.stack.find((text) => !/(^|\/)torch\//.test(text));
  return `${where} (${frame?.trim() ?? `${origin.file}:${origin.line}`})`;
}
