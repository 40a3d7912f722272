import { padding } from './padding.ts';
import { rearranging } from './rearranging.ts';
import { resizing } from './resizing.ts';
import { sampling } from './sampling.ts';
import { torchvision } from './torchvision.ts';

/** Images: resizing, sampling, padding, rearranging, and torchvision's own operators. */
export const vision = [...resizing, ...padding, ...rearranging, ...sampling, ...torchvision];
