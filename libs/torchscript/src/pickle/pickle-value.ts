import type { ScalarType } from '../scalar-type.ts';

/**
 * What a TorchScript pickle holds. Integers are bigint and floats number, as Python tells them apart.
 * Objects are shared and may be cyclic, exactly as in the file: identity carries meaning (tied weights, shared modules).
 */
export type PickleValue =
  | null
  | boolean
  | bigint
  | number
  | string
  | PickleList
  | PickleTuple
  | PickleDict
  | PickleObject
  | PickleTensor
  | PickleDevice
  | PickleComplex;

export interface PickleList {
  readonly kind: 'list';
  readonly items: PickleValue[];
  /** The type `restore_type_tag` gives it, as written (`List[Tensor]`), where the file says so. */
  typeTag?: string;
}

export interface PickleTuple {
  readonly kind: 'tuple';
  readonly items: readonly PickleValue[];
}

export interface PickleDict {
  readonly kind: 'dict';
  /** In the file's order. Keys are compared by value. */
  readonly entries: [PickleValue, PickleValue][];
  typeTag?: string;
}

/** An instance of a class of the archive's own code; a module, usually. An enum member has the one attribute `value`. */
export interface PickleObject {
  readonly kind: 'object';
  /** Qualified name without a leading dot: `__torch__.torch.nn.modules.linear.Linear`. */
  readonly className: string;
  readonly attributes: Map<string, PickleValue>;
  /** What BUILD gave, where it was no dictionary of attributes (`__setstate__` receives it). */
  state?: PickleValue;
}

/** `_rebuild_tensor_v2`: a strided window on a storage. Offset and strides count elements. */
export interface PickleTensor {
  readonly kind: 'tensor';
  readonly storage: PickleStorage;
  readonly storageOffset: number;
  readonly sizes: readonly number[];
  readonly strides: readonly number[];
  readonly requiresGrad: boolean;
}

/** One storage. Tensors that share it hold the same object. */
export interface PickleStorage {
  readonly dtype: ScalarType;
  /** Record's name below the archive's root folder: `data/0`, `constants/3`. */
  readonly record: string;
  /** Elements. */
  readonly elements: number;
}

export interface PickleDevice {
  readonly kind: 'device';
  readonly device: string;
}

export interface PickleComplex {
  readonly kind: 'complex';
  readonly re: number;
  readonly im: number;
}
