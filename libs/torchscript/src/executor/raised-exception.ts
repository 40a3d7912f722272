import type { Position } from '../frontend/ast.ts';

/** The model's code raised an exception. If this happens in one branch of an `if`, only the other branch counts. */
export class RaisedException extends Error {
  readonly at: Position;

  constructor(message: string, at: Position) {
    super(message);
    this.at = at;
  }
}
