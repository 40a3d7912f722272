import { SconceError } from '@sconce/errors';

import type { LowerContext } from '../symbolic/lower-context.ts';
import type { Value } from '../symbolic/values.ts';
import { parseSchema, type OperatorSchema } from '../schema/parse-schema.ts';
import type { ArgumentsOf } from './schema-types.ts';

/** What a lowering gives: a value, a list's items, or undefined for an operator without a result. */
export type LowerResult = Value | readonly Value[] | undefined;

/** An operator the compiler knows. */
export interface OpDefinition {
  readonly schema: OperatorSchema;
  /** The file it is defined in: `activation`, `reduction`, … */
  readonly family: string;
  /** What is left out, in a few words, for the table of supported operators; empty where everything is supported. */
  readonly limits: string;
  readonly lower: (context: LowerContext, args: Readonly<Record<string, unknown>>) => LowerResult;
  /** Whether ints, floats and bools of its arguments may be symbolic (Python's own operators). */
  readonly symbolicScalars: boolean;
}

/** An operator's definition as {@link defineOp} makes it; collected by the registry. */
export type OpFamily = readonly OpDefinition[];

/** Options of {@link defineOp}. */
export interface DefineOptions {
  /** What is not supported, for the table of supported operators: `mode other than "mean"`. */
  readonly limits?: string;
}

/** Makes the definitions of one family; `defineOp` and `defineScalarOp` collect into it. */
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
    /** Defines a tensor operator. `schema` is PyTorch's own: key, documentation and type of `args` in one. */
    defineOp: (schema, lower, options) => {
      add(schema, lower as unknown as OpDefinition['lower'], false, options?.limits);
    },
    /** Defines one of Python's operators on numbers, strings, lists and dicts: arguments come as they are. */
    defineScalarOp: (schema, lower, options) => {
      add(schema, lower as OpDefinition['lower'], true, options?.limits);
    },
  };
}

/** `aten::add.Tensor`: names one overload. */
export function overloadKey(schema: OperatorSchema): string {
  return schema.overload === '' ? schema.name : `${schema.name}.${schema.overload}`;
}
