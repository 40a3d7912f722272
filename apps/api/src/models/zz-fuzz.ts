import { Readable } from 'node:stream';
import { readPushForm } from './push-form.ts';
import { encodeSafetensors } from '@sconce/tensor';
const t = (name: string) => ({ name, datatype: 'FP32' as const, shape: [1], data: new Uint8Array(4) });
const cases = Buffer.from(encodeSafetensors([t('0.in.0'), t('0.out.0')]));
const p = (n: string, c: Buffer) => Buffer.concat([Buffer.from(`--b\r\nContent-Disposition: form-data; name="${n}"; filename="x"\r\n\r\n`), c, Buffer.from('\r\n')]);
const whole = Buffer.concat([p('config', Buffer.from('{}')), p('cases', cases), p('model', Buffer.alloc(70000, 66)), Buffer.from('--b--\r\n')]);
const rnd = (n: number) => Math.floor(Math.random() * n);
const tally: Record<string, number> = {};
process.on('unhandledRejection', (e) => { console.log('UNHANDLED', e); process.exit(1); });
for (let i = 0; i < 20000; i++) {
  let bytes = Buffer.from(whole);
  const mode = rnd(6);
  if (mode === 0) bytes = bytes.subarray(0, rnd(rnd(2) ? 600 : bytes.length));
  if (mode === 1) for (let k = 0; k < 2; k++) bytes[rnd(700)] = rnd(256);
  if (mode === 2) { const a = rnd(700), l = rnd(60); bytes = Buffer.concat([bytes.subarray(0, a), bytes.subarray(a + l)]); }
  if (mode === 3) { const a = bytes.length - rnd(9); bytes = Buffer.concat([bytes.subarray(0, a), Buffer.from([rnd(256)]), bytes.subarray(a + rnd(3))]); }
  const size = 1 + rnd(rnd(2) ? 100000 : 300);
  let ended = false;
  const fail = mode === 5 ? rnd(bytes.length) : Infinity;
  const payload = Readable.from((function* () { for (let at = 0; at < bytes.length; at += size) { if (at > fail) { ended = true; throw new Error('gone'); } yield bytes.subarray(at, at + size); } ended = true; })(), { objectMode: false });
  const work = (async () => {
    let close = async () => {};
    try {
      const f = await readPushForm(payload, { name: 'm', contentType: 'multipart/form-data; boundary=b' });
      close = f.close; let n = 0; const stop = rnd(5) === 0 ? rnd(70000) : Infinity;
      for await (const c of f.model) { n += c.length; if (n > stop) return 'left'; }
      return `ok mode ${mode}` + (n === 70000 ? '' : ` WRONG LENGTH`);
    } catch (e) { return `${mode} ` + ((e as {code?: string}).code ?? `RAW ${(e as Error).message}`); } finally { await close(); }
  })();
  let timer: NodeJS.Timeout | undefined;
  const r = await Promise.race([work, new Promise<string>((r) => { timer = setTimeout(() => r(`HANG mode ${mode} i ${i} size ${size}`), 3000); })]);
  clearTimeout(timer);
  tally[r] = (tally[r] ?? 0) + 1;
  for (let k = 0; k < 200 && !ended; k++) await new Promise((r) => setTimeout(r, 1));
  if (!ended) tally['NOT DRAINED ' + r] = (tally['NOT DRAINED ' + r] ?? 0) + 1;
}
console.log(tally);
