import { adaptiveAverage } from './adaptive-average.ts';
import { adaptiveMax } from './adaptive-max.ts';
import { averagePooling } from './average-pooling.ts';
import { maxPooling } from './max-pooling.ts';

/** Pooling: windows of fixed size, and as many as a given output size asks for. */
export const pooling = [...maxPooling, ...averagePooling, ...adaptiveAverage, ...adaptiveMax];
