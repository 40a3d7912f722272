import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryByteSource } from '@sconce/storage';
import { recordWindows } from './record-windows.ts';
import type { RecordSyntax } from './record-scanner.ts';

const CSV: RecordSyntax = { delimiter: 44, maxRecordBytes: 1_000 };

async function records(text: string | Buffer, syntax: RecordSyntax = CSV): Promise<[string, string?][]> {
  const bytes = Buffer.from(text);
  const found: [string, string?][] = [];
  for await (const window of recordWindows(new MemoryByteSource(bytes), { from: 0, to: bytes.length }, syntax)) {
    for (const { start, end, fault, blank } of window.spans) {
      if (blank) continue;
      const record = window.bytes.toString('utf8', start, end);
      found.push(fault === undefined ? [record] : [record, fault]);
    }
  }
  return found;
}

describe('the records of a text file', () => {
  it.each<[string, string, [string, string?][]]>([
    ['lines', 'a,b\nc,d\n', [['a,b'], ['c,d']]],
    ['no newline at the end', 'a\nb', [['a'], ['b']]],
    ['CRLF', 'a\r\nb\r\n', [['a'], ['b']]],
    ['blank lines', '\n\na\n\r\n\nb\n\n', [['a'], ['b']]],
    ['a newline in quotes', 'a,"x\ny"\nb,c\n', [['a,"x\ny"'], ['b,c']]],
    ['doubled quotes', '"a""\n""",1\nb,2', [['"a""\n""",1'], ['b,2']]],
    ['a quote within a field', 'a 5" pipe,1\nb,2\n', [['a 5" pipe,1'], ['b,2']]],
    ['an empty quoted field', '"",1\n,"\n"\n', [['"",1'], [',"\n"']]],
    ['a quote that is never closed', 'a,"b\nc,d\ne,f\n', [['a,"b', 'unclosed_quote'], ['c,d'], ['e,f']]],
    ['two quotes that are never closed', '"a\nb,c\n"d\ne', [['"a\nb,c\n"d'], ['e']]],
    ['a quote that is not closed at the end', 'a\n"b', [['a'], ['"b', 'unclosed_quote']]],
  ])('%s', async (_, text, expected) => {
    expect(await records(text)).toEqual(expected);
  });

  it('treats quotes in JSON lines as ordinary bytes', async () => {
    expect(await records('{"a":"\\""}\n{"b', { maxRecordBytes: 100 })).toEqual([['{"a":"\\""}'], ['{"b']]);
  });

  it('skips only the record that is too long', async () => {
    const long = 'x'.repeat(5_000_000);
    expect(await records(`a\n${long}\nb\n`)).toEqual([['a'], ['', 'too_long'], ['b']]);
    expect(await records(`a\n${long}`)).toEqual([['a'], ['', 'too_long']]);
    expect(await records(`a\n"${long}\nb\n`)).toEqual([['a'], ['', 'too_long'], ['b']]);
    expect(await records(`a\n${'y'.repeat(1_500)}\nb\n`)).toEqual([['a'], ['', 'too_long'], ['b']]);
  });

  it('skips only the line with an open quote, however much follows', async () => {
    const lines = Array.from({ length: 200_000 }, (_, index) => `${index},x`);
    const found = await records(`a,b\n1,"open\n${lines.join('\n')}\n`);
    expect(found.slice(0, 3)).toEqual([['a,b'], ['1,"open', 'unclosed_quote'], ['0,x']]);
    expect(found.length).toBe(lines.length + 2);
  });

  it('finds the same records for any size of reads', async () => {
    const cell = fc.oneof(
      fc.string({ unit: fc.constantFrom('a', 'é', ' ', '5') }),
      fc.string({ unit: fc.constantFrom('"', '\n', ',', 'x', '\r') }).map((text) => `"${text.replaceAll('"', '""')}"`),
    );
    const record = fc.array(cell, { minLength: 1, maxLength: 4 }).map((cells) => cells.join(','));
    await fc.assert(
      fc.asyncProperty(fc.array(record, { maxLength: 30 }), fc.constantFrom('\n', '\r\n'), async (rows, newline) => {
        const found = await records(rows.map((row) => row + newline).join(''));
        expect(found.map(([text]) => text)).toEqual(rows.filter((row) => row !== ''));
      }),
      { numRuns: 300 },
    );
  });
});
