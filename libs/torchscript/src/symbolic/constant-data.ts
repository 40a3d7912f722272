import { SCALAR_TYPE_BYTES, type ScalarType } from '../scalar-type.ts';

/** Elements as little-endian bytes of the ONNX type that holds the dtype (float32 for bfloat16). */
export function encodeElements(elements: readonly (number | bigint | boolean)[], dtype: ScalarType): Uint8Array {
  const held = dtype === 'bfloat16' ? 'float32' : dtype;
  const size = SCALAR_TYPE_BYTES[held];
  const bytes = new Uint8Array(elements.length * size);
  const view = new DataView(bytes.buffer);
  elements.forEach((element, i) => {
    const at = i * size;
    switch (held) {
      case 'float64':
        return view.setFloat64(at, Number(element), true);
      case 'float32':
        return view.setFloat32(at, Number(element), true);
      case 'float16':
        return view.setFloat16(at, Number(element), true);
      case 'int64':
        return view.setBigInt64(at, whole(element), true);
      case 'int32':
        return view.setInt32(at, Number(BigInt.asIntN(32, whole(element))), true);
      case 'int16':
        return view.setInt16(at, Number(BigInt.asIntN(16, whole(element))), true);
      case 'bool':
        return view.setUint8(at, Number(element) === 0 ? 0 : 1);
      default:
        return view.setUint8(at, Number(BigInt.asUintN(8, whole(element))));
    }
  });
  return bytes;
}

function whole(element: number | bigint | boolean): bigint {
  return typeof element === 'number' ? BigInt(Math.trunc(element)) : BigInt(element);
}
