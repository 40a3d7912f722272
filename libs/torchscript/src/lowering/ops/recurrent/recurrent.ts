import { cells } from './cells.ts';
import { layers } from './layers.ts';

/** Recurrent layers and cells. */
export const recurrent = [...layers, ...cells];
