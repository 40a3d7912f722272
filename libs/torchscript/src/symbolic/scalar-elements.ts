import type { OnnxDatatype } from '@sconce/onnx';

import type { ScalarType } from '../scalar-type.ts';
import { modelError } from '../torchscript-error.ts';
import { SymInt, type Dim } from './sym-int.ts';
import { SymBool, SymFloat, type Scalar } from './values.ts';

/** A key that is equal for elements that are the same number at run time. */
export function elementKey(element: Scalar): string {
  if (element instanceof SymInt) return element.key;
  if (element instanceof SymFloat) return `float ${element.value}`;
  if (!(element instanceof SymBool)) return `${typeof element} ${String(element)}`;
  const { condition } = element;
  if (condition.kind === 'value') return `bool ${condition.value}`;
  if (condition.kind === 'not') return `not (${elementKey(condition.of)})`;
  return `${String(condition.a)} ${condition.op} ${String(condition.b)}`;
}

/** A size as a number of the program. */
export function asScalar(dim: Dim): Scalar {
  return dim instanceof SymInt ? dim : BigInt(dim);
}

/** A number as an element of a dtype; undefined if only the graph can convert it. */
export function castScalar(value: Scalar, dtype: ScalarType): Scalar | undefined {
  if (typeof value === 'object') {
    if (value instanceof SymInt && dtype === 'int64') return value;
    if (value instanceof SymFloat && dtype === 'float64') return value;
    return value instanceof SymBool && dtype === 'bool' ? value : undefined;
  }
  if (dtype === 'bool') return typeof value === 'boolean' ? value : Number(value) !== 0;
  if (dtype === 'float64' || dtype === 'float32' || dtype === 'float16' || dtype === 'bfloat16') {
    const number = Number(value);
    if (dtype === 'bfloat16') return roundToBfloat16(number);
    return dtype === 'float64' ? number : dtype === 'float16' ? Math.f16round(number) : Math.fround(number);
  }
  const whole = typeof value === 'number' ? (Number.isFinite(value) ? BigInt(Math.trunc(value)) : 0n) : BigInt(value);
  switch (dtype) {
    case 'uint8':
      return BigInt.asUintN(8, whole);
    case 'int8':
      return BigInt.asIntN(8, whole);
    case 'int16':
      return BigInt.asIntN(16, whole);
    case 'int32':
      return BigInt.asIntN(32, whole);
    default:
      return BigInt.asIntN(64, whole);
  }
}

const WORD = new DataView(new ArrayBuffer(4));

/** The nearest number with the 8 significant bits of bfloat16. Of two it is the one whose last bit is 0. */
function roundToBfloat16(number: number): number {
  if (!Number.isFinite(number)) return number;
  WORD.setFloat32(0, number);
  const bits = WORD.getUint32(0);
  WORD.setUint32(0, ((bits + 0x7fff + ((bits >>> 16) & 1)) & 0xffff0000) >>> 0);
  return WORD.getFloat32(0);
}

const CAST_CODES: Readonly<Partial<Record<OnnxDatatype, number>>> = {
  FLOAT: 1,
  UINT8: 2,
  INT8: 3,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  BOOL: 9,
  FLOAT16: 10,
  DOUBLE: 11,
  BFLOAT16: 16,
};

/** The number of a type in the `to` attribute of ONNX's Cast. */
export function castCode(type: OnnxDatatype): number {
  const code = CAST_CODES[type];
  if (code === undefined) throw modelError('lower', `internal: no cast to ${type}`);
  return code;
}
