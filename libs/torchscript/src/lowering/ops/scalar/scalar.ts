import { comparisons } from './comparisons.ts';
import { dicts } from './dicts.ts';
import { listNumbers } from './list-numbers.ts';
import { lists } from './lists.ts';
import { numbers } from './numbers.ts';
import { tensorFacts } from './tensor-facts.ts';
import { text } from './text.ts';

/** Operators on Python's numbers, strings, lists and dicts, and questions about tensors (size, dtype, device). */
export const scalar = [...numbers, ...comparisons, ...tensorFacts, ...lists, ...listNumbers, ...dicts, ...text];
