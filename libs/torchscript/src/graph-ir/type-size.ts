import { modelError } from '../torchscript-error.ts';
import type { IrType } from './ir-type.ts';

/** Largest number of parts and of levels of one type. Without a limit, a few lines of code could make a type that exhausts memory. */
const MAX_PARTS = 2_000;
const MAX_LEVELS = 64;

interface TypeSize {
  readonly parts: number;
  readonly levels: number;
}

/** The size of each type. Types are shared, so each is computed once. */
const SIZES = new WeakMap<IrType, TypeSize>();

/** @throws SconceError `model_invalid` if a type is too large to print. */
export function checkTypeSize(type: IrType): void {
  const { parts, levels } = sizeOf(type);
  if (parts > MAX_PARTS || levels > MAX_LEVELS) {
    throw modelError('parse', `a value has a type of ${parts} parts, ${levels} levels deep: too large to print`);
  }
}

function sizeOf(type: IrType): TypeSize {
  let size = SIZES.get(type);
  if (size === undefined) {
    const inner = partsOf(type).map(sizeOf);
    size = {
      parts: inner.reduce((sum, { parts }) => sum + parts, 1),
      levels: inner.reduce((most, { levels }) => Math.max(most, levels), 0) + 1,
    };
    SIZES.set(type, size);
  }
  return size;
}

function partsOf(type: IrType): readonly IrType[] {
  switch (type.kind) {
    case 'optional':
    case 'list':
    case 'future':
      return [type.of];
    case 'dict':
      return [type.key, type.value];
    case 'tuple':
      return type.items;
    case 'union':
      return type.options;
    default:
      return [];
  }
}
