import type { ScalarType } from '../scalar-type.ts';

/**
 * A value of a TorchScript pickle. A Python int is a bigint and a float a number.
 * Objects are shared and may be cyclic, exactly as in the file. Identity matters: it shows tied weights and shared modules.
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
  /** The type from `restore_type_tag`, as written (`List[Tensor]`), if the file has one. */
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

/** An instance of a class of the archive's code, usually a module. A member of an enum has only the attribute `value`. */
export interface PickleObject {
  readonly kind: 'object';
  /** Qualified name without a leading dot: `__torch__.torch.nn.modules.linear.Linear`. */
  readonly className: string;
  readonly attributes: Map<string, PickleValue>;
  /** The argument of BUILD, if it is not a dictionary of attributes. `__setstate__` gets it. */
  state?: PickleValue;
}

/** A strided view of a storage (`_rebuild_tensor_v2`). Offset and strides count elements. */
export interface PickleTensor {
  readonly kind: 'tensor';
  readonly storage: PickleStorage;
  readonly storageOffset: number;
  readonly sizes: readonly number[];
  readonly strides: readonly number[];
  readonly requiresGrad: boolean;
  /** The number of an element `q` of a quantized tensor is `(q - zeroPoint) * scale`. Absent for other tensors. */
  readonly quantizer?: PickleQuantizer;
}

/** Scale and zero point of a quantized tensor: one number, or one element for each index of `axis`. */
export type PickleQuantizer =
  | { readonly kind: 'tensor'; readonly scale: number; readonly zeroPoint: number }
  | {
      readonly kind: 'channel';
      readonly scale: PickleTensor;
      readonly zeroPoint: PickleTensor;
      readonly axis: number;
    };

/** One storage. Tensors that share it hold the same object. */
export interface PickleStorage {
  readonly dtype: ScalarType;
  /** Name of the record below the archive's root folder: `data/0`, `constants/3`. */
  readonly record: string;
  /** Number of elements. */
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
