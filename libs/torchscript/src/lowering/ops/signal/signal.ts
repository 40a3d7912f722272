import { complexParts } from './complex-parts.ts';
import { fourier } from './fourier.ts';
import { stftOps } from './stft.ts';
import { windows } from './windows.ts';

/** Spectra: Fourier transforms, the windows they are taken through, and the complex numbers they give. */
export const signal = [...stftOps, ...fourier, ...windows, ...complexParts];
