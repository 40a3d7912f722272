import { SconceError } from '@sconce/errors';
import { nearNames } from './near-names.ts';

const MAX_LISTED = 10;

/** `model_not_found` for an unknown name, with similar names. The message begins as Triton's, which its clients look for. */
export function modelNotFound(name: string, known: readonly string[]): SconceError {
  const near = nearNames(name, known);
  const suggestions = near.length > 0 ? near : known.slice(0, MAX_LISTED);
  let hint = 'no models are registered; push one first';
  if (near.length > 0) hint = `did you mean ${near.join(', ')}?`;
  else if (known.length > 0) hint = `registered are ${enumerate(known)}`;
  return new SconceError('model_not_found', `Request for unknown model: '${name}' is not found: ${hint}`, {
    details: { name, suggestions },
  });
}

/** `model_not_found` for an unknown version, with the versions of the model, highest first. `known` is lowest first. */
export function versionNotFound(name: string, version: string, known: readonly string[]): SconceError {
  const highestFirst = known.toReversed();
  return new SconceError(
    'model_not_found',
    `Request for unknown model: '${name}' version ${version} is not found: it has ${enumerate(highestFirst)}`,
    {
      details: { name, version, suggestions: highestFirst.slice(0, MAX_LISTED) },
    },
  );
}

function enumerate(items: readonly string[]): string {
  const rest = items.length - MAX_LISTED;
  return items.slice(0, MAX_LISTED).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}
