import { comparisons } from './comparisons.ts';
import { dicts } from './dicts.ts';
import { lists } from './lists.ts';
import { numbers } from './numbers.ts';
import { tensorFacts } from './tensor-facts.ts';
import { text } from './text.ts';

/** Python's own operators: on numbers, text, lists, dicts, and what the code asks about tensors. */
export const scalar = [...numbers, ...comparisons, ...tensorFacts, ...lists, ...dicts, ...text];
