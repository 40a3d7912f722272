import type { OnnxAttribute } from '@sconce/onnx';

/** An integer attribute. */
export const int = (value: number | bigint): OnnxAttribute => ({ int: value });
/** A truth value, which ONNX writes as 0 or 1. */
export const flag = (value: boolean): OnnxAttribute => ({ int: value ? 1 : 0 });
export const ints = (values: readonly (number | bigint)[]): OnnxAttribute => ({ ints: values });
export const float = (value: number): OnnxAttribute => ({ float: value });
export const str = (value: string): OnnxAttribute => ({ string: value });
