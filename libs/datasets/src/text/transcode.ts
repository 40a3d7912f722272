import { datasetError, shown } from '../dataset-error.ts';

/** Names that people use and the Encoding Standard lacks, without `_`, `-` and spaces. */
const ALIASES: Readonly<Record<string, string>> = {
  utf8sig: 'utf-8',
  utf16: 'utf-16',
  latin1: 'windows-1252',
  iso88591: 'windows-1252',
  cp932: 'shift_jis',
  ms932: 'shift_jis',
  shiftjis: 'shift_jis',
  gb18030: 'gb18030',
};
/** A byte that is in no UTF-8 text. */
const NOT_UTF8 = Buffer.from([0xff]);
const REPLACEMENT = '\ufffd';

/**
 * The encoding of a text: a UTF-16 byte order mark decides, then the given name. Undefined if it is UTF-8.
 * @throws SconceError `invalid_dataset` for an unknown name, and for UTF-32.
 */
export function encodingOf(head: Uint8Array, name: string | undefined): string | undefined {
  const [first, second, third, fourth] = head;
  const isLittle = first === 0xff && second === 0xfe;
  if (isLittle && third === 0 && fourth === 0) {
    throw datasetError('The file is UTF-32: write it as UTF-8.', { param: 'encoding' });
  }
  if (isLittle) return 'utf-16le';
  if (first === 0xfe && second === 0xff) return 'utf-16be';
  if (name === undefined) return undefined;
  const alias = ALIASES[name.toLowerCase().replaceAll(/[-_\s]/g, '')] ?? name;
  try {
    const { encoding } = new TextDecoder(alias);
    return encoding === 'utf-8' ? undefined : encoding;
  } catch {
    throw datasetError(
      `The encoding ${shown(name)} is not known: use a name such as utf-8, utf-16, latin1, windows-1252, shift_jis or gb18030.`,
      { param: 'encoding' },
    );
  }
}

/** Turns text of an encoding into UTF-8. Bytes that the encoding lacks become a byte that is not UTF-8, so their row is a bad row. */
export async function* transcoded(
  chunks: AsyncIterable<Uint8Array>,
  encoding: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const decoder = new TextDecoder(encoding);
  for await (const chunk of chunks) yield bytesOf(decoder.decode(chunk, { stream: true }));
  yield bytesOf(decoder.decode());
}

function bytesOf(text: string): Uint8Array {
  if (!text.includes(REPLACEMENT)) return Buffer.from(text);
  return Buffer.concat(
    text.split(REPLACEMENT).flatMap((part, index) => [...(index === 0 ? [] : [NOT_UTF8]), Buffer.from(part)]),
  );
}
