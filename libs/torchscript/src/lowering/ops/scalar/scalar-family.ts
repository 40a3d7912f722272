import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { UnknownValue, type Value } from '../../../symbolic/values.ts';
import { opFamily, type DefineOptions, type LowerResult, type OpDefinition } from '../../define-op.ts';

type DefineScalarOp = (
  schema: string,
  lower: (context: LowerContext, args: Readonly<Record<string, Value>>) => LowerResult,
  options?: DefineOptions,
) => void;

/** What {@link scalarFamily} gives. */
export interface ScalarFamily {
  readonly ops: OpDefinition[];
  /** Where an argument is what an unsupported operator gave, so is the result. */
  readonly defineScalarOp: DefineScalarOp;
  /** For operators that do no harm with what an unsupported operator gave: messages, lists it is put into. */
  readonly defineTolerantOp: DefineScalarOp;
}

/** Definitions of operators on plain values. */
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
