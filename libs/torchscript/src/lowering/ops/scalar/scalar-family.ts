import type { LowerContext } from '../../../executor/lower-context.ts';
import { UnknownValue, type Value } from '../../../executor/values.ts';
import { opFamily, type DefineOptions, type LowerResult, type OpDefinition } from '../../define-op.ts';

/** What {@link scalarFamily} gives. */
export interface ScalarFamily {
  readonly ops: OpDefinition[];
  readonly defineScalarOp: (
    schema: string,
    lower: (context: LowerContext, args: Readonly<Record<string, Value>>) => LowerResult,
    options?: DefineOptions,
  ) => void;
}

/**
 * Definitions of operators that make a new value out of plain ones: where one of their arguments is what an unsupported
 * operator gave, so is their result.
 */
export function scalarFamily(): ScalarFamily {
  const { ops, defineScalarOp } = opFamily('scalar');
  return {
    ops,
    defineScalarOp: (schema, lower, options) => {
      defineScalarOp(
        schema,
        (context, args) =>
          Object.values(args).find((value) => value instanceof UnknownValue) ?? lower(context, args),
        options,
      );
    },
  };
}
