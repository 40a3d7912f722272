import { axisIndex } from './axis-index.ts';
import { embeddingBags } from './embedding-bag.ts';
import { indexOps } from './index-ops.ts';
import { maskOps } from './mask-ops.ts';
import { searching } from './searching.ts';
import { slicingOps } from './slicing-ops.ts';

/** Operators that read and write selected elements: slices, indices, masks, embeddings, searches. */
export const indexing = [...slicingOps, ...indexOps, ...axisIndex, ...maskOps, ...searching, ...embeddingBags];
