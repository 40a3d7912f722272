import { describe, expect, it } from 'vitest';

import { printConstant, printFloat, printGeneral, quote, typeOfConstant, type Constant } from './constant.ts';
import { INT, printType, STR } from './ir-type.ts';

describe('printFloat', () => {
  it.each([
    [0, '0.'],
    [-0, '-0.'],
    [1, '1.'],
    [-10000, '-10000.'],
    [0.5, '0.5'],
    [0.1, '0.10000000000000001'],
    [1e-5, '1.0000000000000001e-05'],
    [1e-8, '1e-08'],
    [1e-12, '9.9999999999999998e-13'],
    [0.0001, '0.0001'],
    [1e16, '10000000000000000.'],
    [1e17, '1e+17'],
    [1e100, '1e+100'],
    [123456.789, '123456.789'],
    [1 / 3, '0.33333333333333331'],
    [Infinity, 'inf'],
    [-Infinity, '-inf'],
    [NaN, 'nan'],
  ])('prints %d as C does', (value, text) => {
    expect(printFloat(value)).toBe(text);
  });
});

describe('printGeneral', () => {
  it.each([
    [10000, '10000'],
    [1234567, '1.23457e+06'],
    [0.1, '0.1'],
    [2 / 3, '0.666667'],
    [100000, '100000'],
    [999999.5, '1e+06'],
    [0, '0'],
  ])('prints %d with 6 digits', (value, text) => {
    expect(printGeneral(value, 6)).toBe(text);
  });
});

describe('printConstant', () => {
  it.each<[value: Constant, attribute: string, type: string]>([
    [null, '', 'NoneType'],
    [true, 'value=1', 'bool'],
    [false, 'value=0', 'bool'],
    [-3n, 'value=-3', 'int'],
    [2, 'value=2.', 'float'],
    ['a"b', 'value="a\\"b"', 'str'],
    [{ kind: 'device', device: 'cuda:0' }, 'value="cuda:0"', 'Device'],
    [{ kind: 'complex', re: 1, im: -2 }, 'value=1.-2.j', 'complex'],
    [{ kind: 'tuple', items: [1n, true, null] }, 'value=(1, True, None)', '(int, bool, NoneType)'],
    [{ kind: 'tuple', items: [1n] }, 'value=(1,)', '(int)'],
    [{ kind: 'list', items: [1n, 2n], of: INT }, 'value=[1, 2]', 'int[]'],
    [{ kind: 'list', items: [], of: STR }, 'value=annotate(List[str], [])', 'str[]'],
    [{ kind: 'tensor', identity: 0, text: '{1}' }, 'value={1}', 'Tensor'],
    [{ kind: 'function', name: 'f', qualifiedName: '__torch__.f' }, 'name="f"', 'Function'],
  ])('constant %#', (value, attribute, type) => {
    expect(printConstant(value)).toBe(attribute);
    expect(printType(typeOfConstant(value))).toBe(type);
  });
});

it('quotes with C’s escapes', () => {
  expect(quote('\n\t\r\x07\b\f\v\\\'"\0é')).toBe('"\\n\\t\\r\\a\\b\\f\\v\\\\\\\'\\"\\000é"');
});
