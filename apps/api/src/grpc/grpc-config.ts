import { readFileSync } from 'node:fs';
import { SconceError } from '@sconce/errors';
import type { Settings } from '@sconce/process';
import type { GrpcTls } from './grpc-server.ts';

/** The settings of the gRPC port. */
export interface GrpcConfig {
  readonly port: number;
  readonly tls: GrpcTls | undefined;
}

type GrpcSettings = Pick<
  Settings<'api'>,
  'SCONCE_GRPC_PORT' | 'SCONCE_GRPC_TLS_CERT' | 'SCONCE_GRPC_TLS_KEY' | 'SCONCE_GRPC_TLS_CLIENT_CA'
>;

/** The gRPC port and its certificates; undefined if it is off. @throws SconceError `invalid_request` that names the variable. */
export function grpcConfigOf(vars: GrpcSettings): GrpcConfig | undefined {
  const { SCONCE_GRPC_PORT: port, SCONCE_GRPC_TLS_CERT: cert, SCONCE_GRPC_TLS_KEY: key } = vars;
  if ((cert === undefined) !== (key === undefined)) {
    const missing = cert === undefined ? 'SCONCE_GRPC_TLS_CERT' : 'SCONCE_GRPC_TLS_KEY';
    throw refusal(missing, 'TLS needs SCONCE_GRPC_TLS_CERT and SCONCE_GRPC_TLS_KEY. Set both, or none.');
  }
  const { SCONCE_GRPC_TLS_CLIENT_CA: clientCa } = vars;
  if (clientCa !== undefined && cert === undefined) {
    throw refusal(
      'SCONCE_GRPC_TLS_CLIENT_CA',
      'callers have certificates only with TLS. Set SCONCE_GRPC_TLS_CERT too.',
    );
  }
  if (port === undefined) return undefined;
  if (cert === undefined || key === undefined) return { port, tls: undefined };
  return {
    port,
    tls: {
      cert: readPem('SCONCE_GRPC_TLS_CERT', cert),
      key: readPem('SCONCE_GRPC_TLS_KEY', key),
      clientCa: clientCa === undefined ? undefined : readPem('SCONCE_GRPC_TLS_CLIENT_CA', clientCa),
    },
  };
}

function readPem(variable: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw refusal(variable, `${(error as Error).message}. Give the path of a PEM file that this process may read.`);
  }
}

function refusal(variable: string, why: string): SconceError {
  return new SconceError('invalid_request', `${variable}: ${why}`, { details: { param: variable } });
}
