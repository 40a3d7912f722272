/** Archives with calls that end the process, and why. A live stack runs requests with an empty axis in the sacrificial process. */
const KNOWN: readonly (readonly [archive: RegExp, reason: string])[] = [
  [
    /^(attention\/multihead_|training\/drop_in_layers)/,
    'ONNX Runtime merges a Transpose of the batch axis with MatMul, and the merged kernel divides by the length of an empty sequence.',
  ],
];

/** Why calls of an archive are known to end the process. Undefined if they are not. */
export function knownDeath(archive: string): string | undefined {
  return KNOWN.find(([pattern]) => pattern.test(archive))?.[1];
}
