import type { RespReply } from './resp-parser.ts';

/** Entries with one field each: id and the field's value. Deleted entries, which old servers list on a claim, are left out. */
export function entriesIn(list: RespReply | undefined): [id: string, frame: Buffer][] {
  return (Array.isArray(list) ? list : []).flatMap((entry): [string, Buffer][] => {
    if (!Array.isArray(entry)) return [];
    const [id, fields] = entry;
    const frame = Array.isArray(fields) ? fields[1] : undefined;
    return Buffer.isBuffer(id) && Buffer.isBuffer(frame) ? [[id.toString('latin1'), frame]] : [];
  });
}
