export { startS3Proxy, type S3Fault, type S3Proxy } from './s3-proxy.ts';
export { startS3TestServer, type S3TestServer, type S3TestServerOptions } from './s3-test-server.ts';
