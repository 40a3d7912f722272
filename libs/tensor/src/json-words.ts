/** The words for NaN and infinities that Python's and RapidJSON's writers put where JSON has no number. */
const WORD = /["[\]{}]|\\.|(?<![\w.+-])(?:NaN|-?Infinity)(?![\w.])/gs;
/** Marks the string that stands for a word. It has no UTF-8 form, so no tensor takes it for text. */
const MARK = '\ud800';

/**
 * JSON.parse for text that it has refused, but which is JSON apart from the words NaN, Infinity and -Infinity as elements of arrays. Each
 * becomes a string that `wordNumber` reads. Undefined if the text has no such word. Takes linear time.
 *
 * @throws SyntaxError if the text is not JSON apart from the words.
 */
export function parseWithWords(text: string, parse: (text: string) => unknown): unknown {
  const quoted = replaceWords(text, (word) => JSON.stringify(MARK + word));
  return quoted === text ? undefined : parse(quoted);
}

/** The text with a number of the same length for each word, so that the position of another error stays. */
export function withoutWords(text: string): string {
  return replaceWords(text, (word) => '1'.repeat(word.length));
}

/** The number of an element that is a word, or a string with one of the three words: this is how answers write infinities. */
export function wordNumber(text: string): number | undefined {
  const word = text.startsWith(MARK) ? text.slice(MARK.length) : text;
  if (word === 'NaN') return NaN;
  if (word === 'Infinity') return Infinity;
  return word === '-Infinity' ? -Infinity : undefined;
}

/** The word that a string of `parseWithWords` stands for. Undefined for other strings. */
export function wordOf(text: string): string | undefined {
  return text.startsWith(MARK) && wordNumber(text) !== undefined ? text.slice(MARK.length) : undefined;
}

function replaceWords(text: string, replace: (word: string) => string): string {
  const open: string[] = [];
  let isInString = false;
  let from = 0;
  let result = '';
  for (const { 0: found, index } of text.matchAll(WORD)) {
    if (found === '"') isInString = !isInString;
    else if (isInString || found.startsWith('\\')) continue;
    else if (found === '[' || found === '{') open.push(found);
    else if (found === ']' || found === '}') open.pop();
    else if (open.at(-1) === '[') {
      result += text.slice(from, index) + replace(found);
      from = index + found.length;
    }
  }
  return from === 0 ? text : result + text.slice(from);
}
