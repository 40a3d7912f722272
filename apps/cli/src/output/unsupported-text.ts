import type { SconceError } from '@sconce/errors';
import type { UnsupportedOp } from '@sconce/torchscript';

/** What to do about unsupported operators. */
export const UNSUPPORTED_HINT = 'Change these places of the model, or export it to ONNX with PyTorch.';

/** The unsupported operators in a compiler error. Empty for any other error. */
export function unsupportedOf(error: SconceError): readonly UnsupportedOp[] {
  const ops = error.details['unsupported'];
  return error.code === 'model_invalid' && Array.isArray(ops) ? (ops as UnsupportedOp[]) : [];
}

/** `The model uses 2 operators that are not supported: aten::stft, aten::svd.` */
export function unsupportedHeadline(ops: readonly UnsupportedOp[]): string {
  const names = [...new Set(ops.map(({ op }) => op))];
  return names.length === 1
    ? `The model uses ${names.join()} in a way that is not supported.`
    : `The model uses ${names.length} operators that are not supported: ${names.join(', ')}.`;
}

/** One paragraph per operator: count, reason, hint, and places in the model's code. */
export function unsupportedText(ops: readonly UnsupportedOp[]): string {
  return ops
    .map(({ op, count, reason, hint, places }) => {
      const more = count > places.length ? [`    … and ${count - places.length} more`] : [];
      return [
        `  ${op}, ${count} ${count === 1 ? 'place' : 'places'}: ${reason}${hint === '' ? '' : `; ${hint}`}`,
        ...places.map((place) => `    at ${place}`),
        ...more,
      ].join('\n');
    })
    .join('\n');
}
