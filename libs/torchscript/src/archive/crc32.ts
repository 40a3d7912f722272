const TABLE = makeTable();

function makeTable(): Uint32Array {
  const table = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    table[byte] = value;
  }
  return table;
}

/** CRC-32 as in zip files (IEEE 802.3, reflected), as an unsigned integer. ADR 23 says why it is not from a library. */
export function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  // This also runs over weights. An index is several times as fast as an iterator here.
  for (let i = 0, end = bytes.length; i < end; i++) {
    crc = (crc >>> 8) ^ (TABLE[(crc ^ (bytes[i] as number)) & 0xff] as number);
  }
  return ~crc >>> 0;
}
