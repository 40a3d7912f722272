import { padding } from './padding.ts';
import { rearranging } from './rearranging.ts';
import { resizing } from './resizing.ts';
import { sampling } from './sampling.ts';
import { spectrum } from './spectrum.ts';
import { torchvision } from './torchvision.ts';

/** Images: resizing, sampling, padding, rearranging, torchvision's own operators; spectra of sound. */
export const vision = [...resizing, ...padding, ...rearranging, ...sampling, ...spectrum, ...torchvision];
