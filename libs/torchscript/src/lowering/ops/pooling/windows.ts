import type { OnnxAttribute } from '@sconce/onnx';

import { flag, ints } from '../../attributes.ts';
import { perAxis } from '../../spatial.ts';
import { addDims, floorDivDims, minDims, type Dim } from '../../../symbolic/sym-int.ts';

/** The windows of a pooling operator, with one number for each spatial axis. */
export interface Windows {
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  /** Applies to both sides of an axis. */
  readonly padding: readonly number[];
  readonly dilation: readonly number[];
  /** True if a last window that is not full counts. */
  readonly ceil: boolean;
}

interface WindowArguments {
  readonly kernel_size: readonly number[];
  /** Empty means the size of the kernel. */
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly dilation?: readonly number[];
  readonly ceil_mode: boolean;
}

/** The windows that the arguments of a pooling operator describe. */
export function windowsOf(axes: number, args: WindowArguments): Windows {
  const kernel = perAxis(args.kernel_size, axes);
  return {
    kernel,
    stride: args.stride.length === 0 ? kernel : perAxis(args.stride, axes),
    padding: perAxis(args.padding, axes),
    dilation: perAxis(args.dilation ?? [1], axes),
    ceil: args.ceil_mode,
  };
}

/** The number of windows along an axis. With `ceil` the last window must start in the input or in the padding before it. */
export function windowCount(size: Dim, axis: number, windows: Windows): Dim {
  const [kernel = 1, stride = 1, padding = 0, dilation = 1] = [
    windows.kernel[axis],
    windows.stride[axis],
    windows.padding[axis],
    windows.dilation[axis],
  ];
  const reach = (kernel - 1) * dilation;
  const slack = windows.ceil ? stride - 1 : 0;
  const count = addDims(floorDivDims(addDims(size, 2 * padding - reach - 1 + slack), stride), 1);
  // Most kernels are so wide that no window can start after the input.
  if (!windows.ceil || reach >= padding + stride - 1) return count;
  return minDims(count, addDims(floorDivDims(addDims(size, padding - 1), stride), 1));
}

/** The shape after pooling of [batch, channels, …spatial]. */
export function pooledShape(shape: readonly Dim[], windows: Windows): Dim[] {
  return shape.map((size, i) => (i < 2 ? size : windowCount(size, i - 2, windows)));
}

/** The attributes that ONNX's pooling operators share. */
export function windowAttributes({ kernel, stride, padding, ceil }: Windows): Readonly<Record<string, OnnxAttribute>> {
  return {
    kernel_shape: ints(kernel),
    strides: ints(stride),
    pads: ints([...padding, ...padding]),
    ceil_mode: flag(ceil),
  };
}
