import type { Position } from '../frontend/ast.ts';
import type { Value } from './values.ts';

/** One call of a PyTorch operator in the model's code. */
export interface OperatorCall {
  /** The operator as the code names it, without overload: `aten::add`. */
  readonly name: string;
  readonly args: readonly Value[];
  readonly kwargs: ReadonlyMap<string, Value>;
  readonly at: Position;
}

/** Calls an operator and returns its result. The executor gets this function from the lowerings. */
export type CallOperator = (call: OperatorCall) => Value;
