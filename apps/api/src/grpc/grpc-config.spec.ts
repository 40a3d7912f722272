import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '@sconce/testing';
import { readConfig } from '../config.ts';

const folder = temporaryFolder('grpc-config');
const pem = (name: string): string => {
  const path = join(folder, `${name}.pem`);
  writeFileSync(path, name);
  return path;
};

it('is off unless its port is set', () => {
  expect(readConfig({}).grpc).toBeUndefined();
  expect(readConfig({ SCONCE_GRPC_PORT: '8001' }).grpc).toEqual({ port: 8001, tls: undefined });
});

it('reads the certificates', () => {
  const env = { SCONCE_GRPC_PORT: '0', SCONCE_GRPC_TLS_CERT: pem('cert'), SCONCE_GRPC_TLS_KEY: pem('key') };
  const tls = { cert: Buffer.from('cert'), key: Buffer.from('key'), clientCa: undefined };
  expect(readConfig(env).grpc).toEqual({ port: 0, tls });
  const withCa = readConfig({ ...env, SCONCE_GRPC_TLS_CLIENT_CA: pem('ca') });
  expect(withCa.grpc?.tls).toEqual({ ...tls, clientCa: Buffer.from('ca') });
});

it.each<[Record<string, string>, RegExp]>([
  [{ SCONCE_GRPC_TLS_CERT: '/a' }, /^SCONCE_GRPC_TLS_KEY: TLS needs SCONCE_GRPC_TLS_CERT and SCONCE_GRPC_TLS_KEY/],
  [{ SCONCE_GRPC_TLS_KEY: '/a' }, /^SCONCE_GRPC_TLS_CERT: TLS needs/],
  [{ SCONCE_GRPC_TLS_CLIENT_CA: '/a' }, /^SCONCE_GRPC_TLS_CLIENT_CA: callers have certificates only with TLS/],
  [{ SCONCE_GRPC_TLS_CERT: '/not/there', SCONCE_GRPC_TLS_KEY: '/a' }, /^SCONCE_GRPC_TLS_CERT: ENOENT/],
  [{ SCONCE_GRPC_PORT: '0', SCONCE_API_PROCESSES: '2' }, /^SCONCE_GRPC_PORT: 0 gives each API process/],
])('refuses %j', (env, message) => {
  expect(() => readConfig({ SCONCE_GRPC_PORT: '8001', ...env })).toThrow(message);
});
