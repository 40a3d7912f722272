import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { SconceError } from '@sconce/errors';
import { encodeSafetensors, type Tensor } from '@sconce/tensor';
import { MAX_CASES_BYTES, MAX_CONFIG_BYTES, readPushForm } from './push-form.ts';

const BOUNDARY = 'xx-form-xx';
const tensor = (name: string): Tensor => ({ name, datatype: 'FP32', shape: [1], data: new Uint8Array(4) });
const CASES = encodeSafetensors([tensor('0.in.0'), tensor('0.out.0')]);
const MODEL = Buffer.alloc(300_000, 7);

type Part = readonly [name: string, content: string | Uint8Array, headers?: string];

/** A form as clients write it; the last piece closes it. */
function form(parts: readonly Part[], closing = `--${BOUNDARY}--\r\n`): Buffer {
  const pieces = parts.flatMap(([name, content, headers = '']) => [
    Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${headers}\r\n\r\n`),
    Buffer.from(content as Uint8Array),
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([...pieces, Buffer.from(closing)]);
}

/** The bytes in pieces of `size`; `read` counts those that were taken. */
function payloadOf(bytes: Uint8Array, size = 65_536): { payload: Readable; read: () => number } {
  let read = 0;
  const pieces = function* (): Generator<Uint8Array> {
    for (let at = 0; at < bytes.byteLength; at += size) {
      read = Math.min(bytes.byteLength, at + size);
      yield bytes.subarray(at, at + size);
    }
  };
  return { payload: Readable.from(pieces(), { objectMode: false, highWaterMark: 1 }), read: () => read };
}

const open = (payload: Readable, contentType = `multipart/form-data; boundary=${BOUNDARY}`) =>
  readPushForm(payload, { name: 'm', contentType });

/** Reads a whole push; what it throws, wherever that is. */
async function readAll(
  payload: Readable,
  contentType?: string,
): Promise<{ config: unknown; cases: unknown; model: Buffer }> {
  const { config, cases, model, close } = await open(payload, contentType);
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of model) chunks.push(chunk);
  } finally {
    await close();
  }
  return { config, cases, model: Buffer.concat(chunks) };
}

const config: Part = ['config', '{"max_batch_size":8}', '; filename="config.json"\r\nContent-Type: application/json'];
const cases: Part = ['cases', CASES, '; filename="cases.safetensors"\r\nContent-Type: application/octet-stream'];
const model: Part = ['model', MODEL, '; filename="model.onnx"'];

describe('the form of a push', () => {
  it.each([1, 7, 1_000, 65_536, 1_000_000])('is read in pieces of %i bytes', async (size) => {
    const small: Part = ['model', MODEL.subarray(0, size < 100 ? 2_000 : MODEL.byteLength)];
    const read = await readAll(payloadOf(form([config, cases, small]), size).payload);
    expect(read.config).toEqual({ max_batch_size: 8 });
    expect(Buffer.from(read.cases as Uint8Array).equals(CASES)).toBe(true);
    expect(read.model.equals(small[1] as Buffer)).toBe(true);
  });

  it.each([
    ['the model alone', [model], {}],
    ['a config', [config, model], { config: { max_batch_size: 8 } }],
    ['cases', [cases, model], { cases: expect.anything() }],
    ['a config as a plain field', [['config', '{}'], model], { config: {} }],
  ] as [string, Part[], object][])('may hold %s', async (_, parts, expected) => {
    const read = await open(payloadOf(form(parts)).payload);
    expect(read).toMatchObject(expected);
    await read.close();
  });

  it('may hold bytes that look like a boundary, and have text around it', async () => {
    const tricky = Buffer.from(`\r\n--${BOUNDARY.slice(0, -1)}\r\n--\r\n--${BOUNDARY.slice(0, 4)}`);
    const bytes = Buffer.concat([Buffer.from('preamble\r\n'), form([['model', tricky]]), Buffer.from('epilogue')]);
    expect((await readAll(payloadOf(bytes, 5).payload)).model.equals(tricky)).toBe(true);
  });

  it('is read no faster than its model', async () => {
    const { payload, read } = payloadOf(form([config, ['model', Buffer.alloc(20_000_000)]]));
    const push = await open(payload);
    const chunks = push.model[Symbol.asyncIterator]();
    await chunks.next();
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(read()).toBeLessThan(1_000_000);
    await push.close();
  });
});

const many = encodeSafetensors([tensor('0.in.0'), tensor('0.out.1')]);
const REFUSED: [string, Part[], string, string, RegExp][] = [
  ['no model', [config, cases], 'invalid_request', 'model', /no part "model"/],
  ['nothing', [], 'invalid_request', 'model', /no part "model"/],
  ['an unknown part', [['weights', 'x'], model], 'invalid_request', 'weights', /"weights" is unknown.*"config"/],
  ['a part without a name', [['', 'x'], model], 'invalid_request', '', /part "" is unknown/],
  ['the config after the cases', [cases, config, model], 'invalid_request', 'config', /"config" comes after "cases"/],
  ['the config after the model', [model, config], 'invalid_request', 'config', /"config" comes after "model"/],
  ['two configs', [config, config, model], 'invalid_request', 'config', /"config" is there twice/],
  ['two models', [model, model], 'invalid_request', 'model', /"model" is there twice/],
  ['something after the model', [model, ['x', 'y']], 'invalid_request', 'x', /"x" is unknown/],
  ['a config that is no JSON', [['config', '{'], model], 'invalid_request', 'config', /config is not JSON/],
  ['a config that is no text', [['config', Buffer.from([255])], model], 'invalid_request', 'config', /not JSON/],
  ['a config that is wrong', [['config', '{"a":1}'], model], 'invalid_request', 'config.a', /a is no field/],
  [
    'another model’s config',
    [['config', '{"name":"n"}'], model],
    'invalid_request',
    'config.name',
    /"n".*pushed as "m"/,
  ],
  [
    'a config that is too large',
    [['config', Buffer.alloc(MAX_CONFIG_BYTES + 1, 32)], model],
    'payload_too_large',
    'config',
    /"config" is larger than the 262144 bytes/,
  ],
  [
    'cases that are too large',
    [['cases', Buffer.alloc(MAX_CASES_BYTES + 1)], model],
    'payload_too_large',
    'cases',
    /"cases" is larger than the 33554432 bytes/,
  ],
  ['cases that are no safetensors', [['cases', 'hello, world'], model], 'invalid_tensor', 'cases', /"cases".*header/],
  ['empty cases', [['cases', ''], model], 'invalid_tensor', 'cases', /"cases".*0 bytes/],
  [
    'cases without calls',
    [['cases', encodeSafetensors([tensor('x')])], model],
    'invalid_request',
    'cases',
    /"cases".*no calls.*k\.in\.0/,
  ],
  ['cases with a gap', [['cases', many], model], 'invalid_request', 'cases', /"cases".*has no tensor 0\.out\.0/],
];

describe('a form with', () => {
  it.each(REFUSED)('%s is refused, and read to its end', async (_, parts, code, param, message) => {
    const bytes = form(parts);
    const { payload, read } = payloadOf(bytes);
    const refused = await readAll(payload).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(refused).toBeInstanceOf(SconceError);
    expect(refused).toMatchObject({ code, details: { param }, message: expect.stringMatching(message) });
    await expect.poll(read).toBe(bytes.byteLength);
  });

  it.each([
    ['is cut off in the model', form([config, model]).subarray(0, 200_000)],
    ['is cut off in the config', form([config, model]).subarray(0, 100)],
    ['lacks its last line', form([config, model], '')],
    ['is empty', Buffer.alloc(0)],
    [
      'has another boundary',
      Buffer.from('--yy\r\nContent-Disposition: form-data; name="model"\r\n\r\nx\r\n--yy--\r\n'),
    ],
  ])('a body that %s is refused', async (_, bytes) => {
    await expect(readAll(payloadOf(bytes).payload)).rejects.toMatchObject({ code: 'invalid_request' });
  });

  it.each([
    ['no headers', ''],
    ['no disposition', 'Content-Type: text/plain\r\n'],
    ['a disposition of another kind', 'Content-Disposition: attachment; name="model"\r\n'],
  ])('a part of %s is refused, however it comes', async (_, headers) => {
    const bytes = Buffer.concat([
      Buffer.from(`--${BOUNDARY}\r\n${headers}\r\n`),
      MODEL,
      Buffer.from(`\r\n--${BOUNDARY}--\r\n`),
    ]);
    for (const size of [100, bytes.byteLength]) {
      const { payload, read } = payloadOf(bytes, size);
      await expect(readAll(payload)).rejects.toMatchObject({ message: expect.stringMatching(/part "" is unknown/) });
      await expect.poll(read).toBe(bytes.byteLength);
    }
  });

  it.each([
    ['endless headers', `X: ${'x'.repeat(9_000)}\r\n\r\n`, /headers of a part/],
    ['a boundary that goes on', 'more\r\n\r\n', /text follows a boundary/],
  ])('%s is refused', async (_, head, message) => {
    const bytes = Buffer.from(`--${BOUNDARY}${head.startsWith('X') ? '\r\n' : ''}${head}`);
    await expect(readAll(payloadOf(bytes, 50).payload)).rejects.toThrow(message);
  });

  it('names and boundaries as clients write them is accepted', async () => {
    const bytes = Buffer.from(
      '--"b" \t\r\ncontent-type: a/b\r\nCONTENT-DISPOSITION: form-data; filename="; name=x"; Name=model\r\n\r\nhi\r\n--"b"--',
    );
    const read = await readAll(payloadOf(bytes, 3).payload, 'multipart/form-data;charset=x; Boundary="\\"b\\""');
    expect(read.model.toString()).toBe('hi');
  });

  it('no boundary in its media type is refused', async () => {
    await expect(readAll(payloadOf(form([model])).payload, 'multipart/form-data')).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringMatching(/names no boundary/),
    });
  });

  it.each([
    ['its config', 100],
    ['its model', 200_000],
  ])('a connection that ends within %s throws what the connection throws', async (_, after) => {
    const gone = new Error('gone');
    const pieces = function* (): Generator<Uint8Array> {
      yield form([config, model]).subarray(0, after);
      throw gone;
    };
    await expect(readAll(Readable.from(pieces(), { objectMode: false }))).rejects.toBe(gone);
  });
});
