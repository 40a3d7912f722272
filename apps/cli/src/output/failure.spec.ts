import { describe, expect, it } from 'vitest';
import { SconceError } from '@sconce/errors';
import { UsageError, failure, reportFailure } from './failure.ts';

describe('reportFailure', () => {
  it.each([
    ['bad usage', new UsageError('x is\nwrong', 'Do y.'), 2, 'error: x is wrong\nDo y.\n'],
    ['a failure with its own hint', failure('internal', 'broke', { hint: 'Do z.' }), 1, 'error: broke\nDo z.\n'],
    [
      'a code with a standard hint',
      new SconceError('server_unreachable', 'none'),
      1,
      'error: none\nStart a server with `sconce up`, or set SCONCE_URL to the address of a running one.\n',
    ],
    ['any other error', new TypeError('a\n  b'), 1, /^error: a b\n[^\n]+\n$/],
    [
      'inputs of unknown type',
      new SconceError('model_invalid', 'nothing tells x', { details: { inputs: ['x', 'y.0'] } }),
      1,
      /^error: nothing tells x\nFor example --input x:float32\[-1,10\] --input y\.0:.*\n$/,
    ],
  ])('%s is printed as two lines', (_, thrown, code, text) => {
    let written = '';
    expect(reportFailure(thrown, (more) => (written += more))).toBe(code);
    expect(written).toEqual(typeof text === 'string' ? text : expect.stringMatching(text));
  });

  it('lists the unsupported operators of a model', () => {
    const places = ['code/__torch__.py:3:4 (model.py:7: y = torch.svd(x))'];
    const unsupported = [
      { op: 'aten::svd', count: 1, reason: 'the operator is not supported', hint: '', places },
      { op: 'aten::pad', count: 9, reason: 'mode x is unknown', hint: 'use another', places: [...places, ...places] },
    ];
    let written = '';
    const error = new SconceError('model_invalid', 'a\nb', { details: { unsupported } });
    expect(reportFailure(error, (more) => (written += more))).toBe(1);
    expect(written).toBe(
      [
        'error: The model uses 2 operators that are not supported: aten::svd, aten::pad.',
        'Change these places of the model, or export it to ONNX with PyTorch.',
        '  aten::svd, 1 place: the operator is not supported',
        `    at ${places[0]}`,
        '  aten::pad, 9 places: mode x is unknown; use another',
        `    at ${places[0]}`,
        `    at ${places[0]}`,
        '    … and 7 more',
        '',
      ].join('\n'),
    );
  });
});
