import type { DestinationStream } from 'pino';

/** Fields that are not repeated after the message: they stand at the start of the line, or are the same in every line. */
const HEAD_FIELDS: ReadonlySet<string> = new Set(['level', 'time', 'service', 'pid', 'msg', 'err']);

/** A destination that turns JSON lines into readable lines: `12:00:00.123 WARN  api queue is full backlog=12`. */
export function prettyDestination(destination: DestinationStream): DestinationStream {
  return { write: (line) => void destination.write(prettyLine(line)) };
}

function prettyLine(line: string): string {
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line;
  }
  const time = String(entry['time']).slice(11, 23);
  const level = String(entry['level']).toUpperCase().padEnd(5);
  const fields = Object.entries(entry)
    .filter(([name]) => !HEAD_FIELDS.has(name))
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const head = [time, level, entry['service'], entry['msg'], ...fields].filter((part) => part !== undefined).join(' ');
  return `${head}\n${prettyError(entry['err'], '  ')}`;
}

function prettyError(error: unknown, indent: string): string {
  if (typeof error !== 'object' || error === null) return '';
  const { type, message, code, stack, cause } = error as Record<string, unknown>;
  const text = typeof stack === 'string' ? stack : `${String(type)}: ${String(message)}`;
  const title = typeof code === 'string' ? `[${code}] ${text}` : text;
  return `${indent}${title.replaceAll('\n', `\n${indent}`)}\n${prettyError(cause, `${indent}  `)}`;
}
