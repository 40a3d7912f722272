import { Server, ServerCredentials, type ConnectionInjector, type ServiceDefinition } from '@grpc/grpc-js';
import type { GrpcLimits, GrpcServices } from './grpc-services.ts';
import { healthHandlers } from './health.ts';
import { inferHandlers } from './infer-methods.ts';
import { HEALTH_SERVICE, INFERENCE_SERVICE, REFLECTION_SERVICES } from './methods.ts';
import { modelHandlers } from './model-methods.ts';
import { meterMessages } from './message-meter.ts';
import { methodsOf } from './proto/schema.ts';
import { reflectionHandlers } from './reflection.ts';

/** Calls that one connection may have open. */
const MAX_CALLS_PER_CONNECTION = 1_024;
/** How often a silent connection is asked whether it is there, and how long it may take to reply, ms. */
const KEEPALIVE_MS = 60_000;
const KEEPALIVE_TIMEOUT_MS = 20_000;

/** Certificates in PEM. */
export interface GrpcTls {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** Authorities of callers' certificates. If it is given, callers need one. */
  readonly clientCa: Buffer | undefined;
}

export interface GrpcServerOptions {
  readonly services: GrpcServices;
  readonly limits: GrpcLimits;
  readonly tls: GrpcTls | undefined;
  /** Closes the connection with a caller. @param peer its address, as a call has it. */
  readonly endConnection: (peer: string) => void;
}

/** A server of gRPC that gets its connections from somebody else. */
export interface GrpcServer {
  readonly connections: ConnectionInjector;
  /** Refuses new calls, and resolves when those under way have ended. */
  close(): Promise<void>;
}

const bytes = (own: Buffer): Buffer => own;

/** What grpc-js has to know of a service. Messages stay bytes: the handlers read and write them. */
function definitionOf(service: string, path = service): ServiceDefinition {
  return Object.fromEntries(
    methodsOf(service).map(({ name, methodKind }) => [
      name,
      {
        path: `/${path}/${name}`,
        requestStream: methodKind === 'bidi_streaming' || methodKind === 'client_streaming',
        responseStream: methodKind === 'bidi_streaming' || methodKind === 'server_streaming',
        requestSerialize: bytes,
        requestDeserialize: bytes,
        responseSerialize: bytes,
        responseDeserialize: bytes,
      },
    ]),
  );
}

/** Makes the server. */
export function createGrpcServer({ services, limits, tls, endConnection }: GrpcServerOptions): GrpcServer {
  const server = new Server({
    'grpc.max_receive_message_length': limits.maxBodyBytes,
    'grpc.max_send_message_length': -1,
    'grpc.max_concurrent_streams': MAX_CALLS_PER_CONNECTION,
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    // It would keep objects for each connection and call.
    'grpc.enable_channelz': 0,
  });
  const endMetering = meterMessages({ held: services.held, maxBytes: limits.maxBodyBytes });
  server.addService(definitionOf(INFERENCE_SERVICE), {
    ...modelHandlers(services),
    ...inferHandlers(services, { ...limits, endConnection }),
  });
  server.addService(definitionOf(HEALTH_SERVICE), healthHandlers(services));
  const [reflection = ''] = REFLECTION_SERVICES;
  for (const path of REFLECTION_SERVICES)
    server.addService(definitionOf(reflection, path), reflectionHandlers(services));
  return {
    connections: server.createConnectionInjector(credentialsOf(tls)),
    close: () =>
      new Promise((resolve) => {
        server.tryShutdown(() => {
          endMetering();
          resolve();
        });
      }),
  };
}

function credentialsOf(tls: GrpcTls | undefined): ServerCredentials {
  if (tls === undefined) return ServerCredentials.createInsecure();
  const { cert, key, clientCa = null } = tls;
  return ServerCredentials.createSsl(clientCa, [{ cert_chain: cert, private_key: key }], clientCa !== null);
}
