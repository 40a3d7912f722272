import { SconceError } from '@sconce/errors';

import type { LowerContext } from '../symbolic/lower-context.ts';
import type { Value } from '../symbolic/values.ts';
import { parseSchema, type OperatorSchema } from '../schema/parse-schema.ts';
import type { ArgumentsOf } from './schema-types.ts';

/** The result of a lowering: a value, the items of a list, or undefined for an operator without a result. */
export type LowerResult = Value | readonly Value[] | undefined;

/** An operator that the compiler supports. */
export interface OpDefinition {
  readonly schema: OperatorSchema;
  /** The family that defines it: `activation`, `reduction`, … */
  readonly family: string;
  /** Unsupported uses in a few words, for the table of supported operators. Empty if everything is supported. */
  readonly limits: string;
  readonly lower: (context: LowerContext, args: Readonly<Record<string, unknown>>) => LowerResult;
  /** Whether ints, floats and bools in its arguments may be symbolic (Python's own operators). */
  readonly symbolicScalars: boolean;
}

/** The definitions of one family, as `defineOp` makes them. The registry collects them. */
export type OpFamily = readonly OpDefinition[];

/** Options of {@link defineOp}. */
export interface DefineOptions {
  /** Unsupported uses, for the table of supported operators: `mode other than "mean"`. */
  readonly limits?: string;
}

/** Makes the definitions of one family. `defineOp` and `defineScalarOp` add to `ops`. */
export function opFamily(family: string): {
  readonly ops: OpDefinition[];
  defineOp: <const S extends string>(
    schema: S,
    lower: (context: LowerContext, args: ArgumentsOf<S>) => LowerResult,
    options?: DefineOptions,
  ) => void;
  defineScalarOp: (
    schema: string,
    lower: (context: LowerContext, args: Readonly<Record<string, Value>>) => LowerResult,
    options?: DefineOptions,
  ) => void;
} {
  const ops: OpDefinition[] = [];
  const add = (schema: string, lower: OpDefinition['lower'], symbolicScalars: boolean, limits = ''): void => {
    const parsed = parseSchema(schema);
    const key = overloadKey(parsed);
    if (ops.some((op) => overloadKey(op.schema) === key)) throw new SconceError('internal', `${key} is defined twice`);
    ops.push({ schema: parsed, family, lower, symbolicScalars, limits });
  };
  return {
    ops,
    /** Defines a tensor operator. `schema` is PyTorch's own schema. It is the key, the documentation and the type of `args`. */
    defineOp: (schema, lower, options) => {
      add(schema, lower as unknown as OpDefinition['lower'], false, options?.limits);
    },
    /** Defines one of Python's operators on numbers, strings, lists and dicts. Its arguments are not converted. */
    defineScalarOp: (schema, lower, options) => {
      add(schema, lower as OpDefinition['lower'], true, options?.limits);
    },
  };
}

/** The name of an overload: `aten::add.Tensor`. */
export function overloadKey(schema: OperatorSchema): string {
  return schema.overload === '' ? schema.name : `${schema.name}.${schema.overload}`;
}
