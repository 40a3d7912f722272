import { SconceError } from '@sconce/errors';

/** The flags of the command line in messages of the compiler, with the value that they show. */
const FLAGS = /--(input|arg)\b(?: ('[^']*'|[^\s,;]*[:=][^\s,;]*))?/g;

/** A message that names the fields of `config.json` in place of the flags of the command line. */
export function inConfigWords(message: string): string {
  return message.replaceAll(FLAGS, (_, flag: string, value: string | undefined) => {
    const field = `"${flag === 'arg' ? 'arguments' : 'input'}" of the config`;
    return value === undefined || /^name[:=]/.test(value) ? field : `${field} (${value})`;
  });
}

/** Runs a compilation for a push. Its errors name the fields of `config.json` in place of flags. */
export async function withConfigWords<T>(compile: () => Promise<T>): Promise<T> {
  try {
    return await compile();
  } catch (error) {
    if (!(error instanceof SconceError) || error.code !== 'model_invalid') throw error;
    throw new SconceError(error.code, inConfigWords(error.message), {
      details: wordsOfDetails(error.details) as SconceError['details'],
      cause: error,
    });
  }
}

/** All texts below a value, in the words of the config. */
function wordsOfDetails(value: unknown): unknown {
  if (typeof value === 'string') return inConfigWords(value);
  if (Array.isArray(value)) return value.map(wordsOfDetails);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, wordsOfDetails(item)]));
}
