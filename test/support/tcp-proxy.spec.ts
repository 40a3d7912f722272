import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

const echo = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
let proxy: TcpProxy;
beforeAll(async () => {
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  proxy = await startTcpProxy((echo.address() as AddressInfo).port);
});
afterAll(async () => {
  await proxy.stop();
  echo.close();
});

function dial(): Socket {
  return connect({ host: '127.0.0.1', port: proxy.port }).on('error', () => undefined);
}

it('delays answers and keeps their order when the delay becomes shorter', async () => {
  const socket = dial();
  let text = '';
  socket.on('data', (bytes) => (text += bytes.toString()));
  socket.write('a');
  await expect.poll(() => text).toBe('a');
  const startedAt = performance.now();
  proxy.delayReplies(200);
  socket.write('b');
  await new Promise((resolve) => setTimeout(resolve, 60));
  proxy.delayReplies(0);
  socket.write('c');
  await expect.poll(() => text).toBe('abc');
  expect(performance.now() - startedAt).toBeGreaterThan(190);
  socket.destroy();
});

it('cuts connections, and refuses new ones until it accepts again', async () => {
  const [first, second] = [dial(), dial()];
  await Promise.all([once(first, 'connect'), once(second, 'connect')]);
  first.write('a');
  await once(first, 'data');
  const closed = [once(first, 'close'), once(second, 'close')];
  proxy.cut(true);
  await Promise.all(closed);
  await once(dial(), 'close');
  proxy.accept();
  const third = dial();
  third.write('d');
  expect(String((await once(third, 'data'))[0])).toBe('d');
  third.destroy();
});
