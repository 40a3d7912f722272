import { describe, expect, it } from 'vitest';
import { nearNames } from './near-names.ts';

describe('nearNames', () => {
  it.each([
    ['restnet', ['resnet', 'bert'], ['resnet']],
    ['resnet', ['resnet50-v2', 'my-resnet', 'bert'], ['my-resnet', 'resnet50-v2']],
    ['BERT', ['bert'], ['bert']],
    ['ab', ['xyz-ab-long-name', 'ac'], ['ac']],
    ['zzzzzz', ['bert', 'iris'], []],
    ['m', [], []],
    ['m0', ['m1', 'm2', 'm3', 'm4', 'm5', 'm6'], ['m1', 'm2', 'm3', 'm4', 'm5']],
  ])('%s of %j is %j', (wanted, candidates, expected) => {
    expect(nearNames(wanted, candidates)).toEqual(expected);
  });
});
