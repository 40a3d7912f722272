import type { LowerContext } from '../symbolic/lower-context.ts';
import type { TensorValue } from '../symbolic/values.ts';
import { broadcastShapes } from './broadcast.ts';

/** `torch.matmul`. ONNX's MatMul has the same rules for vectors and for broadcast batch axes. */
export function matmul(context: LowerContext, a: TensorValue, b: TensorValue): TensorValue {
  const [x, y] = [a.shape, b.shape];
  if (x.length === 0 || y.length === 0) return context.unsupported('a product with a tensor of rank 0');
  context.require(x.at(-1) ?? 1, (y.length > 1 ? y.at(-2) : y[0]) ?? 1);
  const batch = broadcastShapes(context, x.slice(0, -2), y.slice(0, -2));
  const rows = x.length > 1 ? x.slice(-2, -1) : [];
  const columns = y.length > 1 ? y.slice(-1) : [];
  return context.node('MatMul', [a, b], { shape: [...batch, ...rows, ...columns] });
}
