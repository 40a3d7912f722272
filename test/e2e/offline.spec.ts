import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { eventually, expectClose, fixturePath, temporaryFolder } from '@sconce/testing';
import { decodeSafetensors, encodeSafetensors, viewOf, type Tensor } from '@sconce/tensor';
import { archivePath } from '../conformance/cases.ts';
import { sconce, startSconce } from '../support/cli.ts';

// `sconce inspect`, `compile`, `run` and `check` on real files, without a server, as a user runs them.

const fixture = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
const example = (name: string): string => fileURLToPath(new URL(`../../examples/digits/${name}`, import.meta.url));

const folder = temporaryFolder('offline');
const path = (name: string): string => join(folder, name);

function floats(name: string, shape: readonly number[], values: readonly number[]): Tensor {
  return { name, datatype: 'FP32', shape, data: new Uint8Array(Float32Array.from(values).buffer) };
}

function writeTensors(name: string, tensors: readonly Tensor[]): string {
  writeFileSync(path(name), encodeSafetensors(tensors));
  return path(name);
}

const readTensors = (file: string): Map<string, Tensor> => decodeSafetensors(readFileSync(file));
const numbers = (tensor: Tensor | undefined): number[] => {
  if (tensor?.datatype !== 'FP32') throw new Error(`no floats: ${tensor?.datatype}`);
  return [...viewOf({ ...tensor, datatype: 'FP32' })];
};

/** The first eight held-out digits, and PyTorch's logits for them. */
const rows = readFileSync(example('heldout.csv'), 'utf8')
  .split('\n')
  .slice(1, 9)
  .flatMap((line) => line.split(',').slice(2).map(Number));
const { logits } = JSON.parse(readFileSync(example('reference.json'), 'utf8')) as { logits: number[][] };
const digitsIn = writeTensors('digits.safetensors', [floats('pixels', [8, 64], rows)]);
const digitsCases = (change: (logits: number[]) => number[] = (same) => same): string =>
  writeTensors('cases.safetensors', [
    floats('0.in.0', [8, 64], rows),
    floats('0.out.0', [8, 10], change(logits.flat())),
    floats('1.in.0', [1, 64], rows.slice(0, 64)),
    floats('1.out.0', [1, 10], logits[0] ?? []),
  ]);

describe('run', () => {
  it.each(['digits.pt', 'digits.onnx'])('gives the same numbers as PyTorch (%s)', async (file) => {
    const out = path(`${file}.out`);
    const ended = await sconce(['run', example(file), '--in', digitsIn, '--out', out]);
    expect(ended).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('FP32[8,10]') as string });
    const [output] = [...readTensors(out).values()];
    expectClose(numbers(output), logits.flat(), { atol: 1e-5, rtol: 0 });
  });

  it('opens a model through a link, with any characters in its name', async () => {
    mkdirSync(path('real'));
    copyFileSync(example('digits.pt'), path('real/modèle 1.pt'));
    symlinkSync(path('real/modèle 1.pt'), path('link.pt'));
    const ended = await sconce(['run', path('link.pt'), '--in', digitsIn, '--out', path('link.out'), '--json']);
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(ended.stdout)).toMatchObject({ outputs: [{ datatype: 'FP32', shape: [8, 10] }] });
  });

  it('takes arguments by name and uses the defaults of the others', async () => {
    const input = writeTensors('named.safetensors', [
      // Names decide, not the order: `times` is the number, `x` is the tensor.
      { name: 'times', datatype: 'INT64', shape: [], data: new Uint8Array(BigInt64Array.of(3n).buffer) },
      floats('x', [1, 4], [0, 0, 0, 0]),
    ]);
    const [byName, byDefault, fixed] = [path('by-name.out'), path('by-default.out'), path('fixed.out')];
    expect(await sconce(['run', fixture('scaled.pt'), '--in', input, '--out', byName])).toMatchObject({ code: 0 });
    const alone = writeTensors('alone.safetensors', [floats('x', [1, 4], [0, 0, 0, 0])]);
    expect(await sconce(['run', fixture('scaled.pt'), '--in', alone, '--out', byDefault])).toMatchObject({ code: 0 });
    const args = ['run', fixture('scaled.pt'), '--in', alone, '--out', fixed, '--arg', 'times=3'];
    expect(await sconce(args)).toMatchObject({ code: 0 });
    const once = numbers(readTensors(byDefault).get('y'));
    const thrice = once.map((y) => y + 2);
    expectClose(numbers(readTensors(byName).get('y')), thrice, { atol: 1e-6, rtol: 0 });
    expectClose(numbers(readTensors(fixed).get('y')), thrice, { atol: 1e-6, rtol: 0 });
  });

  it('takes the arguments that are not fixed in order', async () => {
    const [one, three] = [1n, 3n].map((times) => {
      const data = new Uint8Array(BigInt64Array.of(times).buffer);
      const row = floats('0', [1, 4], [0, 0, 0, 0]);
      return writeTensors(`${times}.safetensors`, [row, { name: '1', datatype: 'INT64', shape: [], data }]);
    }) as [string, string];
    const sums = [];
    for (const input of [one, three]) {
      const args = ['run', fixture('scaled.pt'), '--in', input, '--out', `${input}.out`, '--arg', 'scale=None'];
      expect(await sconce(args)).toMatchObject({ code: 0 });
      sums.push(...numbers(readTensors(`${input}.out`).get('sum')));
    }
    expect((sums[1] ?? 0) - (sums[0] ?? 0)).toBeCloseTo(6, 5);
  });

  it('runs another method', async () => {
    const alone = writeTensors('encode.safetensors', [floats('anything', [1, 4], [1, 2, 3, 4])]);
    const args = ['run', fixture('scaled.pt'), '--method', 'encode', '--in', alone, '--out', path('encode.out')];
    expect(await sconce(args)).toMatchObject({ code: 0 });
    const [output] = [...readTensors(path('encode.out')).values()];
    expect(numbers(output).every((value) => Math.abs(value) < 1)).toBe(true);
  });

  it.each([
    [
      'names the model does not have',
      [floats('x', [1, 4], [1, 2, 3, 4]), floats('z', [1], [1])],
      /no input z.*x, scale, times/,
    ],
    [
      'a tensor of another type',
      [{ ...floats('x', [1, 4], [1, 2, 3, 4]), datatype: 'INT32' as const }],
      /INT32|Integer|int32/,
    ],
    ['sizes the model does not take', [floats('x', [1, 5], [1, 2, 3, 4, 5])], /error: .*[45]/],
  ])('%s: exit 1, and no output file', async (_, tensors, reason) => {
    const input = writeTensors('wrong.safetensors', tensors);
    const ended = await sconce(['run', fixture('scaled.pt'), '--in', input, '--out', path('wrong.out'), '--json']);
    expect(ended).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(reason) as string });
    expect(existsSync(path('wrong.out'))).toBe(false);
  });
});

describe('check', () => {
  // The models have state, optional arguments, numbers, lists of any length and rank, tied and strided weights, bfloat16.
  it.each(['counter', 'scaled', 'lists', 'tied'])('%s agrees with PyTorch', async (name) => {
    const ended = await sconce(['check', fixture(`${name}.pt`), fixture(`${name}.safetensors`), '--json']);
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    const report = JSON.parse(ended.stdout) as { ok: boolean; outputs: { ok: boolean; elements: number }[] };
    expect(report.ok).toBe(true);
    expect(report.outputs.every(({ ok, elements }) => ok && elements > 0)).toBe(true);
  });

  it('takes the keys of a dict from --input, in the order of the call', async () => {
    const model = archivePath('signature', 'dictionary_argument_script');
    const cases = model.replace(/pt$/, 'safetensors');
    const entries = ['--input', 'x.a:float32[-1,-1]', '--input', 'x.b:float32[-1,-1]'];
    expect(await sconce(['check', model, cases, ...entries])).toMatchObject({ code: 0, stderr: '' });
    const unknown = await sconce(['check', model, cases]);
    expect(unknown).toMatchObject({ code: 1, stderr: expect.stringContaining('--input x.KEY:') as string });
  });

  it.each(['digits.pt', 'digits.onnx'])('prints a table (%s)', async (file) => {
    const ended = await sconce(['check', example(file), digitsCases()]);
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(ended.stdout).toMatch(
      /CALL +OUTPUT +ELEMENTS +MAX ABS.*\n +0 +\S+ +80 +\S+ .* ok *\n +1 .* ok *\nall 2 outputs/,
    );
  });

  it.each<[string, (logits: number[]) => number[], object]>([
    ['a wrong number', (all) => all.map((value, i) => (i === 7 ? value + 0.5 : value)), { off: 1 }],
    ['NaN', (all) => all.map((value, i) => (i === 7 ? NaN : value)), { off: 1, max_abs: null }],
    ['infinity', (all) => all.map((value, i) => (i === 7 ? -Infinity : value)), { off: 1, max_abs: null }],
  ])('finds %s', async (_, change, expected) => {
    const ended = await sconce(['check', example('digits.pt'), digitsCases(change), '--json']);
    expect(ended).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^error: 1 of 2 outputs are off\.\n.+\n$/) as string,
    });
    expect(JSON.parse(ended.stdout)).toMatchObject({
      ok: false,
      calls: 2,
      outputs: [{ ok: false, ...expected }, { ok: true }],
    });
  });

  it.each<[string, readonly Tensor[], RegExp]>([
    ['another shape', [floats('0.out.0', [80], logits.flat())], /is FP32\[8,10\], expected FP32\[80\]/],
    [
      'another dtype',
      [{ name: '0.out.0', datatype: 'UINT8', shape: [1], data: new Uint8Array(1) }],
      /expected UINT8\[1\]/,
    ],
    [
      'an output too many',
      [floats('0.out.0', [8, 10], logits.flat()), floats('0.out.1', [1], [1])],
      /is missing: the model has 1 output/,
    ],
    ['an input too many', [floats('0.out.0', [1], [1]), floats('0.in.1', [1], [1])], /2 arguments/],
    ['a hole', [floats('0.out.1', [1], [1])], /has no tensor 0\.out\.0/],
    ['no outputs', [], /no outputs of call 0/],
  ])('finds %s', async (_, more, reason) => {
    const cases = writeTensors('odd.safetensors', [floats('0.in.0', [8, 64], rows), ...more]);
    const { code, stdout, stderr } = await sconce(['check', example('digits.pt'), cases]);
    expect([code, stdout + stderr]).toEqual([1, expect.stringMatching(reason)]);
  });

  it('reports a call that the runtime refuses, and continues', async () => {
    const cases = writeTensors('refused.safetensors', [
      floats('0.in.0', [1, 63], rows.slice(0, 63)),
      floats('0.out.0', [1, 10], logits[0] ?? []),
      floats('1.in.0', [1, 64], rows.slice(0, 64)),
      floats('1.out.0', [1, 10], logits[0] ?? []),
    ]);
    const ended = await sconce(['check', example('digits.onnx'), cases, '--json']);
    expect(ended.code).toBe(1);
    expect(JSON.parse(ended.stdout)).toMatchObject({
      ok: false,
      outputs: [
        { call: 0, ok: false, reason: expect.stringMatching(/63/) as string },
        { call: 1, ok: true },
      ],
    });
  });
});

describe('compile', () => {
  it('writes one file that loads without other files', async () => {
    const elsewhere = temporaryFolder('elsewhere');
    const file = join(elsewhere, 'digits.onnx');
    const ended = await sconce(['compile', example('digits.pt'), '-o', file, '--input', 'pixels:float32[-1,64]']);
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(ended.stdout).toMatch(
      /input +pixels: float32\[pixels_0, 64\]\noutput .*float32\[pixels_0, 10\]\nbatch +axis 0/,
    );
    expect(readdirSync(elsewhere)).toEqual(['digits.onnx']);
    expect(await sconce(['check', file, digitsCases()])).toMatchObject({ code: 0 });
  });

  it('writes the weights to a second file when asked', async () => {
    const file = path('split.onnx');
    const ended = await sconce(['compile', example('digits.pt'), '-o', file, '--external-data', '--json']);
    const { bytes, data } = JSON.parse(ended.stdout) as { bytes: number; data: { file: string; bytes: number } };
    expect([ended.code, data.file]).toEqual([0, `${file}.data`]);
    expect(readFileSync(file).byteLength).toBe(bytes);
    expect(readFileSync(data.file).byteLength).toBe(data.bytes);
    expect(bytes).toBeLessThan(5000);
    expect(await sconce(['check', file, digitsCases()])).toMatchObject({ code: 0 });
    const inspected = await sconce(['inspect', file]);
    expect(inspected.stdout).toMatch(/KiB in split\.onnx\.data\n/);
  });

  it('lists all unsupported operators with the lines of the model, and leaves the old file', async () => {
    const file = path('kept.onnx');
    writeFileSync(file, 'before');
    const { code, stdout, stderr } = await sconce(['compile', fixture('unsupported.pt'), '-o', file]);
    expect([code, stdout]).toEqual([1, '']);
    const [what, todo, ...list] = stderr.trimEnd().split('\n');
    expect(what).toBe('error: The model uses 2 operators that are not supported: aten::svd, aten::linalg_eigvalsh.');
    expect(todo).toMatch(/Change these places/);
    expect(list.join('\n')).toMatch(
      /aten::svd, 2 places: .*\n +at .*\(models\.py:\d+: u, s, v = torch\.svd\(x\)\)\n +at .*\n +aten::linalg_eigvalsh, 1 place/,
    );
    expect(readFileSync(file, 'utf8')).toBe('before');
    expect(readdirSync(folder).filter((name) => name.endsWith('.partial'))).toEqual([]);
  });

  it('names the input of unknown type, and compiles when its type is given', async () => {
    const file = path('rank6.onnx');
    const untold = await sconce(['compile', fixture('rank6.pt'), '-o', file]);
    expect([untold.code, untold.stderr.trimEnd().split('\n')]).toEqual([
      1,
      [expect.stringMatching(/type and rank of x/), expect.stringMatching(/--input x:float32/)],
    ]);
    const told = await sconce(['compile', fixture('rank6.pt'), '-o', file, '--input', 'x:float32[-1,1,2,3,4,5]']);
    expect([told.code, told.stdout]).toEqual([0, expect.stringContaining('x: float32[x_0, 1, 2, 3, 4, 5]')]);
  });
});

describe('inspect', () => {
  it('shows a TorchScript file', async () => {
    const { code, stdout, stderr } = await sconce(['inspect', example('digits.pt')]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/TorchScript, 61\.6 KiB\n +format +version 4, traced; written by PyTorch 2/);
    expect(stdout).toMatch(/6 modules, 8 parameters, 0 buffers\n +method +forward\(pixels: Tensor\) -> Tensor\n/);
    expect(stdout).toMatch(/input +pixels: float32\[.*\n +output .*\n +batch /);
    expect(stdout).toMatch(/operators, \d+ calls\n +3 +aten::relu\n/);
  });

  it('shows shared and strided weights, state, and methods', async () => {
    const inspect = async (name: string): Promise<unknown> =>
      JSON.parse((await sconce(['inspect', fixture(name), '--json'])).stdout);
    expect(await inspect('tied.pt')).toMatchObject({
      origin: 'traced',
      compiles: true,
      module: { modules: 3, parameters: 2, buffers: 3 },
      weights: { shared: 1, strided: 1, by_dtype: [{ dtype: 'float32' }, { dtype: 'bfloat16', size_bytes: 768 }] },
      signature: { inputs: [{ name: 'ids', dtype: 'int64' }] },
    });
    expect(await inspect('counter.pt')).toMatchObject({
      origin: 'scripted',
      signature: {
        state: [{ input: 'calls' }, { input: 'total', output: 'total.next', dtype: 'float32', shape: [3] }],
      },
    });
    expect(await inspect('scaled.pt')).toMatchObject({
      module: {
        methods: [
          {
            name: 'forward',
            params: ['x: Tensor', 'scale: Optional[Tensor] = None', 'times: int = 1'],
            returns: 'Dict[str, Tensor]',
          },
          { name: 'encode' },
        ],
      },
    });
  });

  it('exits with 1 for a model that does not compile, and says why it does not', async () => {
    const unsupported = await sconce(['inspect', fixture('unsupported.pt'), '--json']);
    expect(unsupported).toMatchObject({
      code: 1,
      stderr: 'error: The model does not compile.\nThe report says why.\n',
    });
    expect(JSON.parse(unsupported.stdout)).toMatchObject({
      compiles: false,
      unsupported: [
        { op: 'aten::svd', count: 2, places: [expect.stringContaining('models.py:'), expect.any(String)] },
        { op: 'aten::linalg_eigvalsh', count: 1 },
      ],
    });
    const unknown = await sconce(['inspect', fixture('rank6.pt'), '--json']);
    expect(unknown.stderr).toContain('for example --input x:float32[-1,10]');
    expect([unknown.code, JSON.parse(unknown.stdout)]).toMatchObject([1, { compiles: false, unknown_inputs: ['x'] }]);
  });

  it('prints the graph as PyTorch prints it', async () => {
    const { code, stdout } = await sconce(['inspect', fixture('scaled.pt'), '--graph', '--method', 'encode']);
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/^graph\(%self[^]*prim::CallMethod[^]*aten::tanh[^]*return \(%/),
    ]);
    const inlined = await sconce(['inspect', fixture('scaled.pt'), '--inlined', '--method', 'encode', '--json']);
    const { graph } = JSON.parse(inlined.stdout) as { graph: string };
    expect(graph).toMatch(/aten::linear[^]*aten::tanh/);
    expect(graph).not.toContain('prim::CallMethod');
  });

  it('shows an ONNX file', async () => {
    const { code, stdout } = await sconce(['inspect', example('digits.onnx')]);
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(
        /ONNX, .*\n +format +opset 20, IR version 9.*\n +weights .*\n +input +pixels: FLOAT\[batch, 64\]\n +output +logits/,
      ),
    ]);
    expect(JSON.parse((await sconce(['inspect', fixturePath('affine'), '--json'])).stdout)).toMatchObject({
      format: 'onnx',
    });
  });

  it('exits with 1 for a file that is not a model', async () => {
    writeFileSync(path('text.pt'), 'hello, this is no model');
    const { code, stdout, stderr } = await sconce(['inspect', path('text.pt')]);
    expect([code, stdout, stderr]).toEqual([1, '', expect.stringMatching(/^error: .*text.*\n.*torch\.jit\.save.*\n$/)]);
    writeFileSync(path('cut.pt'), readFileSync(example('digits.pt')).subarray(0, 20_000));
    expect((await sconce(['inspect', path('cut.pt')])).code).toBe(1);
  });

  it('exits with 0 if the reader of its output closes the pipe', async () => {
    const { child, ended } = startSconce(['inspect', example('digits.pt'), '--graph']);
    child.stdout?.destroy();
    await eventually(() => {
      expect(child.exitCode ?? child.signalCode).not.toBeNull();
    });
    expect((await ended).stderr).toBe('');
  });
});

describe('bad usage exits with 2', () => {
  const pt = path('copy.pt');
  copyFileSync(example('digits.pt'), pt);
  it.each([
    [['inspect', 'nope.pt'], /nope\.pt does not exist/],
    [['inspect', '/'], /not a file/],
    [['inspect', pt, '--input', 'x'], /--input "x"/],
    [['inspect', pt, '--input', 'x:float33[1]'], /"float33" is not a dtype/],
    [['inspect', pt, '--input', 'x:float32[1]'], /no input x\.\nIts method forward takes pixels/],
    [['inspect', pt, '--arg', 'n=3'], /no argument n/],
    [['inspect', pt, '--method', 'nope'], /no method nope\.\nIts methods are: forward/],
    [['inspect', example('digits.onnx'), '--graph'], /TorchScript/],
    [['compile', pt], /--output/],
    [['compile', example('digits.onnx'), '-o', path('x.onnx')], /already an ONNX file/],
    [['compile', pt, '-o', pt], /input of this command/],
    [['compile', pt, '-o', '/dev/null'], /not a file/],
    [['check', pt, 'nope.safetensors'], /nope\.safetensors does not exist/],
    [['check', pt, 'x', '--rtol', 'much'], /--rtol/],
    [['check', example('digits.onnx'), digitsCases(), '--method', 'x'], /TorchScript/],
    [['run', pt, '--in', 'nope', '--out', path('x')], /nope does not exist/],
    [['run', pt, '--in', digitsIn], /--out/],
  ])('%j', async (args, what) => {
    const { code, stdout, stderr } = await sconce(args);
    const lines = stderr.trimEnd().split('\n');
    expect([code, stdout, lines.length, stderr]).toEqual([2, '', 2, expect.stringMatching(what)]);
  });
});
