import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { S3rver, accounts } from './s3rver-types.ts';
import { StrictS3Store } from './strict-s3-store.ts';
import type { S3ServerSettings } from './s3-test-server.ts';

// The process of the S3 server. When its parent ends, the channel closes and this process ends too.

process.once('disconnect', () => process.exit());
process.once('message', (settings: S3ServerSettings) => {
  start(settings).then(
    (port) => process.send?.({ port }),
    (error: unknown) => {
      process.send?.({ error: String(error) });
      process.exitCode = 1;
      process.disconnect();
    },
  );
});

async function start(settings: S3ServerSettings): Promise<number> {
  const { folder, port, buckets, accessKeyId, secretAccessKey, conditionalWrites } = settings;
  const directory = join(folder, 'data');
  const temp = join(folder, 'temp');
  await mkdir(directory, { recursive: true });
  await mkdir(temp, { recursive: true });
  accounts.DUMMY_ACCOUNT.createKeyPair(accessKeyId, secretAccessKey);
  const server = new S3rver({
    address: '127.0.0.1',
    port,
    silent: true,
    directory,
    vhostBuckets: false,
    configureBuckets: buckets.map((name) => ({ name })),
  });
  const store = new StrictS3Store({ directory, temp, conditionalWrites });
  server.store = store;
  server.context.store = store;
  // After the middleware that turns answers into XML and before the routes.
  server.middleware.splice(-1, 0, store.middleware);
  return (await server.run()).port;
}
