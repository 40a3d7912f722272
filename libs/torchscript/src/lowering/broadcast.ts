import type { LowerContext } from '../symbolic/lower-context.ts';
import { broadcastDims, type Dim } from '../symbolic/sym-int.ts';

/** The shape to which shapes broadcast. Refuses sizes that do not broadcast. */
export function broadcastShapes(context: LowerContext, ...shapes: readonly (readonly Dim[])[]): Dim[] {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, i) =>
    shapes.reduce<Dim>((size, shape) => {
      const dim = shape[i - rank + shape.length];
      if (dim === undefined) return size;
      if (typeof dim === 'number' && typeof size === 'number' && dim !== size && dim !== 1 && size !== 1) {
        return context.unsupported(
          `sizes ${size} and ${dim} do not broadcast`,
          'the inputs’ shapes do not fit the model',
        );
      }
      return broadcastDims(size, dim);
    }, 1),
  );
}
