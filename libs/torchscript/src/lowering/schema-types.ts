import type { Dim } from '../symbolic/sym-int.ts';
import type { DictValue, ListValue, Scalar, TensorValue, Value } from '../symbolic/values.ts';
import type { ScalarType } from '../scalar-type.ts';

/**
 * Types of an operator's arguments, read from its schema string: `ArgumentsOf<'aten::relu(Tensor self) -> Tensor'>` is
 * `{readonly self: TensorValue}`. A misspelt argument name in a lowering does not compile.
 *
 * `int`, `float` and `bool` are known at compile time. A `SymInt` may be a size that is known only at run time, and a `Scalar` may be
 * any number.
 */
export type ArgumentsOf<S extends string> = S extends `${string}(${infer Rest}`
  ? Rest extends `${infer Params}) -> ${string}`
    ? Simplify<ParamsOf<Params>>
    : never
  : never;

type Simplify<T> = { readonly [K in keyof T]: T[K] };

type ParamsOf<S extends string> = S extends ''
  ? object
  : S extends `${infer First}, ${infer Rest}`
    ? ParamOf<First> & ParamsOf<Rest>
    : ParamOf<S>;

type ParamOf<S extends string> = S extends `${infer Type}(a -> *) ${infer Rest}`
  ? ParamOf<`${Type} ${Rest}`>
  : S extends `${infer Type} ${infer Name}=${string}`
    ? Readonly<Record<Name, TypeOf<Type>>>
    : S extends `${infer Type} ${infer Name}`
      ? Readonly<Record<Name, TypeOf<Type>>>
      : object;

type TypeOf<S extends string> = S extends `${infer Inner}?`
  ? TypeOf<Inner> | null
  : S extends `${infer Inner}[${string}]`
    ? readonly TypeOf<Inner>[]
    : S extends `${infer Inner}(${string})`
      ? TypeOf<Inner>
      : S extends keyof TypeByName
        ? TypeByName[S]
        : Value;

interface TypeByName {
  Tensor: TensorValue;
  int: number;
  SymInt: Dim;
  float: number;
  bool: boolean;
  str: string;
  Scalar: Scalar;
  number: Scalar;
  ScalarType: ScalarType;
  Layout: Value;
  Device: Value;
  MemoryFormat: number;
  Generator: Value;
  t: ListValue;
  Dict: DictValue;
  Any: Value;
}
