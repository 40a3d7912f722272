import type { FastifyReply } from 'fastify';
import type { Content } from '../files/file-contents.ts';

/** Sends bytes as a file for download. */
export function sendContent(
  reply: FastifyReply,
  { bytes, stream }: Content,
  file: { readonly filename: string; readonly mediaType: string },
): void {
  const name = encodeURIComponent(file.filename).replaceAll("'", '%27');
  void reply
    .header('content-type', file.mediaType)
    .header('content-length', bytes)
    .header('content-disposition', `attachment; filename*=UTF-8''${name}`)
    .send(stream);
}
