import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { encodeSafetensors, type Tensor } from '@sconce/tensor';
import { temporaryFolder } from '@sconce/testing';
import { UsageError } from '../output/failure.ts';
import { readCases, readPushConfig, toleranceOption } from './push-parts.ts';

let folder = '';
let model = '';
const write = (name: string, content: string | Uint8Array): string => {
  const file = join(folder, name);
  writeFileSync(file, content);
  return file;
};
beforeEach(() => {
  folder = temporaryFolder('push');
  model = write('model.pt', 'x');
});

const tensor = (name: string): Tensor => ({ name, datatype: 'FP32', shape: [1], data: new Uint8Array(4) });

describe('--tolerance', () => {
  it.each([
    ['1e-3', { rtol: 1e-3 }],
    ['0.01,1e-4', { rtol: 0.01, atol: 1e-4 }],
    ['0,2', { rtol: 0, atol: 2 }],
  ])('%s', (text, tolerance) => {
    expect(toleranceOption(text)).toEqual({ atol: undefined, ...tolerance });
  });

  it.each(['', 'x', '-1', '2', '1e-3,', '1e-3,x', '1e-3,-1', '1,2,3', 'NaN', '0,Infinity'])(
    '%j is bad usage',
    (text) => {
      expect(() => toleranceOption(text)).toThrow(UsageError);
    },
  );
});

describe('the config of a push', () => {
  const tolerance = { rtol: 0.1, atol: undefined };

  it('is empty if there is no file', () => {
    expect(readPushConfig(model, { name: 'm' })).toEqual({});
  });

  it('is the config.json beside the model, if there is one', () => {
    const file = write('config.json', '{"max_batch_size":4}');
    expect(readPushConfig(model, { name: 'm' })).toEqual({ file, config: { max_batch_size: 4 } });
  });

  it('is the file of --config, if one is given', () => {
    write('config.json', '{"max_batch_size":4}');
    const config = write('other.json', '{"method":"encode"}');
    expect(readPushConfig(model, { name: 'm', config })).toEqual({ file: config, config: { method: 'encode' } });
  });

  it.each([
    ['with no config', undefined, { rtol: 0.1, atol: 1e-5 }],
    ['with a config that has a tolerance', '{"tolerance":{"rtol":0.5,"atol":0.25}}', { rtol: 0.1, atol: 0.25 }],
  ])('has the tolerance of the command line %s', (_, text, expected) => {
    if (text !== undefined) write('config.json', text);
    expect(readPushConfig(model, { name: 'm', tolerance }).config).toEqual({ tolerance: expected });
  });

  it.each([
    ['is not JSON', '{', /bad\.json is not JSON/],
    ['names another model', '{"name":"other"}', /bad\.json: .*pushed as "m"/],
    ['has unknown fields', '{"version_policy":{}}', /version_policy is not supported/],
    ['is too large', ' '.repeat(262_145), /larger than 262144 bytes/],
  ])('that %s is refused, and the message names the file', (_, text, message) => {
    const config = write('bad.json', text);
    expect(() => readPushConfig(model, { name: 'm', config })).toThrow(
      expect.objectContaining({ message: expect.stringMatching(message), details: { hint: expect.any(String) } }),
    );
  });

  it('that does not exist is bad usage', () => {
    expect(() => readPushConfig(model, { name: 'm', config: join(folder, 'no.json') })).toThrow(UsageError);
    mkdirSync(join(folder, 'config.json'));
    expect(() => readPushConfig(model, { name: 'm' })).toThrow(/config\.json is not a file/);
  });
});

describe('cases', () => {
  it('are sent unchanged', () => {
    const bytes = encodeSafetensors([tensor('0.in.0'), tensor('0.out.0')]);
    expect(Buffer.from(readCases(write('c', bytes))).equals(bytes)).toBe(true);
  });

  it.each([
    ['other bytes than safetensors', Buffer.from('hello, world'), /header/],
    ['no calls', encodeSafetensors([tensor('x')]), /no calls/],
    ['no outputs', encodeSafetensors([tensor('0.in.0')]), /no outputs of call 0/],
    ['too many bytes', Buffer.alloc(32 * 1024 * 1024 + 1), /larger than/],
  ])('with %s are refused, and the message names the file', (_, bytes, message) => {
    const file = write('cases.safetensors', bytes);
    expect(() => readCases(file)).toThrow(message);
    expect(() => readCases(file)).toThrow(/cases\.safetensors/);
    expect(() => readCases(file)).toThrow(expect.objectContaining({ details: { hint: expect.any(String) } }));
  });
});
