import { needOf, type Need } from '../access/access-rules.ts';

/** A method of gRPC, and the route of HTTP that does the same. */
export interface GrpcMethod {
  /** `inference.GRPCInferenceService/ModelInfer`, as metrics have it. */
  readonly name: string;
  readonly httpMethod: 'GET' | 'POST';
  /** What it needs of the caller's key: what the route of HTTP needs. */
  readonly need: Need;
  /** Methods for health have no spans and no measurements. */
  readonly isTraced: boolean;
}

export const INFERENCE_SERVICE = 'inference.GRPCInferenceService';

function method(service: string, name: string, http: readonly ['GET' | 'POST', string]): GrpcMethod {
  const [httpMethod, route] = http;
  const isTraced = !route.startsWith('/v2/health/');
  return { name: `${service}/${name}`, httpMethod, need: needOf(httpMethod, route), isTraced };
}

/** The route of HTTP for each method of the inference service. */
const ROUTES = {
  ServerLive: ['GET', '/v2/health/live'],
  ServerReady: ['GET', '/v2/health/ready'],
  ModelReady: ['GET', '/v2/models/:model/ready'],
  ServerMetadata: ['GET', '/v2'],
  ModelMetadata: ['GET', '/v2/models/:model'],
  ModelInfer: ['POST', '/v2/models/:model/infer'],
  ModelStreamInfer: ['POST', '/v2/models/:model/infer'],
  ModelConfig: ['GET', '/v2/models/:model/config'],
  ModelStatistics: ['GET', '/v2/models/:model/stats'],
  RepositoryIndex: ['POST', '/v2/repository/index'],
  RepositoryModelLoad: ['POST', '/v2/repository/models/:model/load'],
  RepositoryModelUnload: ['POST', '/v2/repository/models/:model/unload'],
  SystemSharedMemoryStatus: ['GET', '/v2/systemsharedmemory/status'],
  SystemSharedMemoryRegister: ['POST', '/v2/systemsharedmemory/region/:name/register'],
  SystemSharedMemoryUnregister: ['POST', '/v2/systemsharedmemory/unregister'],
  CudaSharedMemoryStatus: ['GET', '/v2/cudasharedmemory/status'],
  CudaSharedMemoryRegister: ['POST', '/v2/cudasharedmemory/region/:name/register'],
  CudaSharedMemoryUnregister: ['POST', '/v2/cudasharedmemory/unregister'],
  TraceSetting: ['GET', '/v2/trace/setting'],
  LogSettings: ['GET', '/v2/logging'],
} as const satisfies Readonly<Record<string, readonly ['GET' | 'POST', string]>>;

/** A method of the inference service. */
export type InferenceMethod = keyof typeof ROUTES;

/** Methods of the inference service, by name. */
export const INFERENCE_METHODS = Object.fromEntries(
  Object.entries(ROUTES).map(([name, http]) => [name, method(INFERENCE_SERVICE, name, http)]),
) as Readonly<Record<InferenceMethod, GrpcMethod>>;

export const HEALTH_SERVICE = 'grpc.health.v1.Health';
export const HEALTH_METHODS = {
  Check: method(HEALTH_SERVICE, 'Check', ['GET', '/v2/health/ready']),
  Watch: method(HEALTH_SERVICE, 'Watch', ['GET', '/v2/health/ready']),
} as const;

/** The service of reflection; its older name has the same messages. */
export const REFLECTION_SERVICES = ['grpc.reflection.v1.ServerReflection', 'grpc.reflection.v1alpha.ServerReflection'];
