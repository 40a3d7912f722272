import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { UnknownValue, type Value } from '../../../symbolic/values.ts';
import { opFamily, type DefineOptions, type LowerResult, type OpDefinition } from '../../define-op.ts';

type DefineScalarOp = (
  schema: string,
  lower: (context: LowerContext, args: Readonly<Record<string, Value>>) => LowerResult,
  options?: DefineOptions,
) => void;

/** The result of {@link scalarFamily}. */
export interface ScalarFamily {
  readonly ops: OpDefinition[];
  /** Defines an operator whose result is unknown if an argument is the result of an unsupported operator. */
  readonly defineScalarOp: DefineScalarOp;
  /** Defines an operator that accepts results of unsupported operators, such as messages and list operators. */
  readonly defineTolerantOp: DefineScalarOp;
}

/** Starts a family of operators on plain values. */
export function scalarFamily(): ScalarFamily {
  const { ops, defineScalarOp } = opFamily('scalar');
  return {
    ops,
    defineTolerantOp: defineScalarOp,
    defineScalarOp: (schema, lower, options) => {
      defineScalarOp(
        schema,
        (context, args) => Object.values(args).find((value) => value instanceof UnknownValue) ?? lower(context, args),
        options,
      );
    },
  };
}
