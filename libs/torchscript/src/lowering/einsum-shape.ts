import type { LowerContext } from '../symbolic/lower-context.ts';
import { broadcastDims, type Dim } from '../symbolic/sym-int.ts';
import { broadcastShapes } from './broadcast.ts';

/** An einsum's equation with an explicit output, and the shape of its result. */
export function einsumShape(
  context: LowerContext,
  equation: string,
  shapes: readonly (readonly Dim[])[],
): { readonly text: string; readonly shape: Dim[] } {
  const [left = '', right] = equation.replaceAll(' ', '').split('->');
  const terms = left.split(',');
  if (terms.length !== shapes.length) {
    return context.unsupported(
      `einsum “${equation}” of ${shapes.length} tensors`,
      'the equation has a different number of operands',
    );
  }
  const sizes = new Map<string, Dim>();
  const counts = new Map<string, number>();
  const ellipses: Dim[][] = [];
  terms.forEach((term, i) => {
    const shape = shapes[i] ?? [];
    const [before = '', after] = term.split('...');
    const named = before.length + (after?.length ?? 0);
    const hidden = shape.length - named;
    if (hidden < 0 || (after === undefined && hidden !== 0)) {
      context.unsupported(
        `einsum “${equation}”: operand ${i} has rank ${shape.length}`,
        'the equation has a different number of axes for it',
      );
    }
    if (after !== undefined) ellipses.push(shape.slice(before.length, before.length + hidden));
    const letters = [...before, ...(after ?? '')];
    letters.forEach((letter, k) => {
      const dim = shape[k < before.length ? k : k + hidden] ?? 1;
      const present = sizes.get(letter);
      if (present !== undefined) context.require(present, dim);
      sizes.set(letter, present === undefined ? dim : broadcastDims(present, dim));
      counts.set(letter, (counts.get(letter) ?? 0) + 1);
    });
  });
  const once = [...counts]
    .filter(([, count]) => count === 1)
    .map(([letter]) => letter)
    .sort();
  const output = right ?? `${ellipses.length > 0 ? '...' : ''}${once.join('')}`;
  const [head = '', tail] = output.split('...');
  const of = (letters: string): Dim[] => [...letters].map((letter) => sizes.get(letter) ?? 1);
  const spread = tail === undefined ? [] : broadcastShapes(context, ...ellipses);
  return { text: `${terms.join(',')}->${output}`, shape: [...of(head), ...spread, ...of(tail ?? '')] };
}
