import { describe, expect, it } from 'vitest';

import { freeAxis, substitute, symbol } from '../../../symbolic/sym-int.ts';
import { windowCount, windowsOf } from './windows.ts';

interface Setting {
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
  readonly ceil: boolean;
}

/**
 * Counts windows by PyTorch's rule: every window starts in the input or in the padding before it. Without `ceil` it also
 * ends in the input or the padding.
 */
function expectedCount(size: number, { kernel, stride, padding, dilation, ceil }: Setting): number {
  const reach = (kernel - 1) * dilation;
  let count = 0;
  for (let start = -padding; ; start += stride) {
    const fits = start + reach < size + padding;
    const begins = start - stride + reach < size + padding - 1 && start < size;
    if (!(fits || (ceil && begins))) return count;
    count++;
  }
}

const settings: Setting[] = [
  { kernel: 2, stride: 2, padding: 0, dilation: 1, ceil: true },
  { kernel: 3, stride: 2, padding: 1, dilation: 1, ceil: true },
  { kernel: 3, stride: 2, padding: 1, dilation: 2, ceil: false },
  { kernel: 2, stride: 3, padding: 1, dilation: 1, ceil: true },
  { kernel: 1, stride: 2, padding: 0, dilation: 1, ceil: true },
  { kernel: 4, stride: 3, padding: 2, dilation: 1, ceil: true },
];

describe('windowCount', () => {
  const atom = freeAxis('x', 2);
  it.each(settings)('counts the windows of $kernel every $stride, padding $padding, ceil $ceil', (setting) => {
    const windows = windowsOf(1, {
      kernel_size: [setting.kernel],
      stride: [setting.stride],
      padding: [setting.padding],
      dilation: [setting.dilation],
      ceil_mode: setting.ceil,
    });
    const symbolic = windowCount(symbol(atom), 0, windows);
    for (let size = 5; size < 30; size++) {
      expect(windowCount(size, 0, windows), `size ${size}`).toBe(expectedCount(size, setting));
      expect(
        substitute(symbolic, (candidate) => (candidate.key === atom.key ? size : undefined)),
        `free size replaced by ${size}`,
      ).toBe(expectedCount(size, setting));
    }
  });

  it('moves by the size of the kernel if no stride is given', () => {
    const windows = windowsOf(2, { kernel_size: [3], stride: [], padding: [0], ceil_mode: false });
    expect(windows.stride).toEqual([3, 3]);
  });
});
