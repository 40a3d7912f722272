import type { Position } from '../frontend/ast.ts';
import type { Value } from './values.ts';

/** The arguments of a call. */
export interface CallArguments {
  readonly args: readonly Value[];
  readonly kwargs: ReadonlyMap<string, Value>;
}

/** One call of a PyTorch operator in the model's code. */
export interface OperatorCall extends CallArguments {
  /** The operator as the code names it, without overload: `aten::add`. */
  readonly name: string;
  readonly at: Position;
}

/** Calls an operator and returns its result. The executor gets this function from the lowerings. */
export type CallOperator = (call: OperatorCall) => Value;
