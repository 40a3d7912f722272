import { status } from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { fixturePath, temporaryFolder } from '@sconce/testing';
import { grpcClient } from '../support/grpc-client.ts';
import { startServe } from '../support/serve.ts';

// `sconce serve` over gRPC: the same service, without Redis, on models that do not change.

it('answers over gRPC', async () => {
  const cache = temporaryFolder('serve-grpc');
  const args = [fixturePath('affine'), '--cache', cache, '--grpc-port', '0', '--json'];
  const serve = await startServe(args, {}, /^\{"ready":true/);
  const { grpc_url: url } = JSON.parse(serve.process.readyLine) as { grpc_url: string };
  const client = grpcClient(url);
  const contents = { fp32_contents: [1, 2, 3, 4] };
  const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, 4], contents }];
  const raw = [Buffer.from(Float32Array.of(3, 5, 7, 9).buffer)];
  const end = await client.call('ModelInfer', { model_name: 'affine', inputs });
  expect(end).toMatchObject({ answer: { raw_output_contents: raw } });
  expect(await client.call('ServerReady')).toMatchObject({ answer: { ready: true } });
  const load = await client.call('RepositoryModelLoad', { model_name: 'affine' });
  expect(load).toMatchObject({ code: status.UNIMPLEMENTED });
});
