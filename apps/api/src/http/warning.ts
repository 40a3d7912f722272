import { MAX_UNUSED } from '@sconce/tensor';

const MAX_NAME_LENGTH = 64;

/** The value of `Warning` (code 299 of RFC 7234) for parts of a request that nothing uses: a quoted text that names them. */
export function unusedWarning(kind: string, names: readonly string[]): string {
  const shown = names.slice(0, MAX_UNUSED).map((name) => printable(name));
  const more = names.length > MAX_UNUSED ? ' and more' : '';
  return `299 sconce "${kind} not used: ${shown.join(', ')}${more}"`;
}

/** A name within a quoted text of a header: visible ASCII without quotes. */
function printable(name: string): string {
  return name.slice(0, MAX_NAME_LENGTH).replaceAll(/[^\x20-\x7e]|["\\]/g, '?');
}

/** What sets headers of an answer. */
interface Answer {
  getHeader(name: string): unknown;
  header(name: string, value: string): unknown;
}

/** Adds a warning to the answer, beside those that it has. */
export function warn(reply: Answer, warning: string): void {
  const before = reply.getHeader('warning');
  reply.header('warning', typeof before === 'string' ? `${before}, ${warning}` : warning);
}
