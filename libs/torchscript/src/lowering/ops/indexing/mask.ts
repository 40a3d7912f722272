import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { broadcastDims, productOf } from '../../../symbolic/sym-int.ts';
import type { TensorValue } from '../../../symbolic/values.ts';
import { int } from '../../attributes.ts';
import { rangeOf } from '../../dims.ts';

/** The elements of `self` at which `mask` is true. The mask covers the axes from `axis` on, which become one axis. */
export function maskedRows(context: LowerContext, self: TensorValue, mask: TensorValue, axis: number): TensorValue {
  const { shape } = self.content;
  mask.content.shape.forEach((size, i) => context.require(shape[axis + i] ?? 1, size));
  const covered = shape.slice(axis, axis + mask.rank).map((dim, i) => broadcastDims(dim, mask.content.shape[i] ?? 1));
  const merged = [...shape.slice(0, axis), productOf(covered), ...shape.slice(axis + mask.rank)];
  const rows = context.reshape(self, merged);
  const flatMask = context.reshape(mask, [productOf(mask.content.shape)]);
  return context.node('Compress', [rows, flatMask], {
    shape: merged.map((dim, i) => (i === axis ? null : dim)),
    attributes: { axis: int(axis) },
    adapt: false,
  });
}

/** The positions of the elements that are not 0: int64 `[rank, count]`, one row for each axis. */
export function nonzeroPositions(context: LowerContext, self: TensorValue): TensorValue {
  return context.node('NonZero', [context.cast(self, 'bool')], {
    dtype: 'int64',
    shape: [self.rank, null],
    adapt: false,
  });
}

/** The positions of the elements that are not 0: one vector for each axis. */
export function nonzeroVectors(context: LowerContext, self: TensorValue): TensorValue[] {
  if (self.rank === 0) return nonzeroVectors(context, context.reshape(self, [1]));
  const places = nonzeroPositions(context, self);
  const count = places.content.shape.slice(1);
  return rangeOf(self.rank).map((axis) =>
    context.node('Gather', [places, context.scalar(BigInt(axis), 'int64')], {
      shape: count,
      attributes: { axis: int(0) },
      adapt: false,
    }),
  );
}
