import { complexParts } from './complex-parts.ts';
import { fourier } from './fourier.ts';
import { fourierAxes } from './fourier-axes.ts';
import { inverseStft } from './inverse-stft.ts';
import { stftOps } from './stft.ts';
import { windows } from './windows.ts';

/** Fourier transforms, window functions and complex numbers. */
export const signal = [...stftOps, ...inverseStft, ...fourier, ...fourierAxes, ...windows, ...complexParts];
