import { cells } from './cells.ts';
import { layers } from './layers.ts';
import { padList } from './pad-list.ts';

/** Recurrent layers and cells. */
export const recurrent = [...layers, ...cells, ...padList];
