import { dynamicLayers } from './dynamic.ts';
import { quantizedEmbeddings } from './embeddings.ts';
import { packing } from './packed.ts';
import { staticLayers } from './static.ts';

/** Layers of quantized models, and the conversions between quantized and float tensors. */
export const quantized = [...packing, ...dynamicLayers, ...staticLayers, ...quantizedEmbeddings];
