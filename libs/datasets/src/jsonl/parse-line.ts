import { isUtf8 } from 'node:buffer';
import { measureJson } from '@sconce/tensor';
import { ROW_JSON } from '../limits.ts';

/** An integer value of 16 or more digits. Only such integers can lose precision as a double. */
const LONG_INTEGER = /[[,:\s]-?\d{16,}(?![\d.eE])/;
const MAX_INTEGER_CHARS = 20;

const STRINGS_AND_NON_FINITE = /"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g;

type SourceReviver = (this: unknown, key: string, value: unknown, context: { readonly source?: string }) => unknown;
// Node passes the source text of primitives to revivers. TypeScript's library does not declare this.
const parseWithSource = JSON.parse as (text: string, reviver: SourceReviver) => unknown;

/** A shorter line is within the bounds, or nearly. */
const SHORT_BYTES = 4_096;

/** A line's JSON object, with integers beyond 2^53 as bigint; or why the line is bad. Long lines are measured before objects are made. */
export function parseLine(line: Buffer): {
  readonly value?: Readonly<Record<string, unknown>>;
  readonly problem?: string;
} {
  if (!isUtf8(line))
    return {
      problem: 'the row is not valid UTF-8; if the file has another encoding, name it ("encoding", --encoding)',
    };
  const overBound = line.byteLength <= SHORT_BYTES ? undefined : boundExceeded(line);
  if (overBound !== undefined) return { problem: overBound };
  const text = line.toString('utf8');
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    return {
      problem: `the row is not JSON: ${error instanceof SyntaxError ? error.message : 'it is nested too deeply'}`,
    };
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return { value: value as Record<string, unknown> };
  }
  return { problem: 'the row is not a JSON object' };
}

/** Python's `json` writes `NaN` and `Infinity`, which JSON has not. They become text, which the columns of floats read. */
function parseJson(text: string): unknown {
  try {
    return LONG_INTEGER.test(text) ? parseWithSource(text, reviveLongInteger) : JSON.parse(text);
  } catch (error) {
    const quoted = text.replaceAll(STRINGS_AND_NON_FINITE, (found) => (found.startsWith('"') ? found : `"${found}"`));
    if (quoted === text) throw error;
    return LONG_INTEGER.test(quoted) ? parseWithSource(quoted, reviveLongInteger) : JSON.parse(quoted);
  }
}

function boundExceeded(line: Buffer): string | undefined {
  const { maxValues, maxDepth, maxContainers } = ROW_JSON;
  const { values, depth, containers } = measureJson(line, ROW_JSON);
  if (depth > maxDepth) return `the row is JSON that is nested more than ${maxDepth} levels deep`;
  if (containers > maxContainers) return `the row is JSON with more than ${maxContainers} arrays and objects`;
  return values > maxValues ? `the row is JSON with more than ${maxValues} values` : undefined;
}

function reviveLongInteger(
  this: unknown,
  _key: string,
  value: unknown,
  context: { readonly source?: string },
): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
  const { source } = context;
  return source !== undefined && source.length <= MAX_INTEGER_CHARS && /^-?\d+$/.test(source) ? BigInt(source) : value;
}
