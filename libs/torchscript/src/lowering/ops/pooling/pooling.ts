import { adaptiveAverage } from './adaptive-average.ts';
import { adaptiveMax } from './adaptive-max.ts';
import { averagePooling } from './average-pooling.ts';
import { maxPooling } from './max-pooling.ts';

/** Pooling operators, with windows of a fixed size or for a given output size. */
export const pooling = [...maxPooling, ...averagePooling, ...adaptiveAverage, ...adaptiveMax];
