import { copies } from './copies.ts';
import { filling } from './fill.ts';
import { literals } from './literals.ts';
import { random } from './random.ts';
import { sequences } from './sequences.ts';

/** Operators that create, copy and convert tensors. */
export const creation = [...filling, ...sequences, ...literals, ...copies, ...random];
