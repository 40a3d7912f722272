import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { atEndOfFile } from '@sconce/testing';
import { SconceClient } from './index.ts';

const MIB = 1024 ** 2;

it('frees the memory of a file while it is sent', async () => {
  let received = 0;
  const server = createServer((request, response) => {
    request.on('data', (part: Buffer) => (received += part.byteLength));
    request.on('end', () =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ id: 'file-1' })),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEndOfFile(() => {
    server.close();
    server.closeAllConnections();
  });
  const client = new SconceClient({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  let left = 512;
  let held = 0;
  const before = process.memoryUsage().arrayBuffers;
  const file = new ReadableStream<Uint8Array>(
    {
      pull: (controller) => {
        held = Math.max(held, process.memoryUsage().arrayBuffers - before);
        if (left === 0) controller.close();
        else controller.enqueue(new Uint8Array(MIB));
        left -= 1;
      },
    },
    { highWaterMark: 0 },
  );
  expect(await client.files.create(file, { filename: 'rows.jsonl' })).toEqual({ id: 'file-1' });
  expect(received).toBeGreaterThan(512 * MIB);
  expect(held).toBeLessThan(256 * MIB);
});
