import type { RepositoryIndex, ServerMetadata } from '@sconce/contracts';
import type { Logger, Telemetry } from '@sconce/telemetry';
import type { Access } from '../access/access.ts';
import type { HeldBytes } from '../http/held-bytes.ts';
import type { OnlineInference } from '../inference/online-inference.ts';
import type { ProtocolModels } from '../models/protocol-models.ts';

/** What the methods of gRPC call: the same as the routes of HTTP. */
export interface GrpcServices {
  readonly access: Access;
  /** Bounds the messages and answers of calls, together with those of HTTP. */
  readonly held: HeldBytes;
  readonly inference: OnlineInference;
  readonly models: ProtocolModels;
  readonly metadata: ServerMetadata;
  readonly index: (options: { readonly ready: boolean }) => Promise<RepositoryIndex>;
  readonly load: (model: string, parameters: Readonly<Record<string, unknown>>) => Promise<void>;
  readonly unload: (model: string, parameters: Readonly<Record<string, unknown>>) => Promise<void>;
  /** Whether a request that is sent now can be accepted. */
  readonly isReady: () => Promise<boolean> | boolean;
  readonly telemetry: Pick<Telemetry, 'requestTracer' | 'tracer' | 'metrics'>;
  readonly logger: Logger;
}

/** Bounds of connections. */
export interface GrpcLimits {
  /** Largest message of a request, after decompression, bytes. */
  readonly maxBodyBytes: number;
  /** Time in which a caller must take an answer of a stream, ms. */
  readonly transferTimeoutMs: number;
}
