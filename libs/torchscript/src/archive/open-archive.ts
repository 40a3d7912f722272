import type { ByteSource } from '@sconce/storage';

import { StorageTable } from '../pickle/storage-table.ts';
import type { PickleObject, PickleValue } from '../pickle/pickle-value.ts';
import { unpickle } from '../pickle/unpickle.ts';
import { modelError } from '../torchscript-error.ts';
import { DEFAULT_ARCHIVE_LIMITS, type ArchiveLimits } from './archive-limits.ts';
import { ArchiveSourceText } from './source-text.ts';
import { HEAD_BYTES, notTorchScript, refuseOtherFormats } from './sniff-format.ts';
import type { SourceText, TorchScriptArchive } from './torchscript-archive.ts';
import { readZipDirectory, type ZipEntry } from './zip-directory.ts';
import { readStored, unpackRecord } from './zip-records.ts';

/** Versions of the archive format from PyTorch 1.4 to 2.x. */
const MAX_VERSION = 10;
const PICKLES = ['data.pkl', 'constants.pkl', 'traced_inputs.pkl'];
const VERSIONS = ['version', '.data/version'];
const SMALL = [...VERSIONS, 'byteorder'];
const MAX_SMALL_BYTES = 64;

/**
 * Opens a TorchScript file. Reads the zip directory, the code and the pickles, but not the weights: it only notes their places.
 * Nothing of the file is executed.
 *
 * @throws SconceError `model_invalid`. The stage is `format` if it is another kind of file (the message names the kind, and says
 * how to make a TorchScript file), `archive` or `pickle` if that part is damaged or exceeds a limit.
 */
export async function openArchive(
  source: ByteSource,
  limits: Partial<ArchiveLimits> = {},
): Promise<TorchScriptArchive> {
  const bounds = { ...DEFAULT_ARCHIVE_LIMITS, ...limits };
  refuseOtherFormats(await source.read(0, Math.min(HEAD_BYTES, source.size)));
  const entries = (await readZipDirectory(source, bounds)).filter(({ name }) => !name.endsWith('/'));
  const records = recordsOfRoot(entries);
  if (!isTorchScript(records)) {
    const pickle = records.get('data.pkl');
    const holdsModule = pickle !== undefined && (await holdsCompiledModule(source, pickle));
    throw notTorchScript(
      entries.map(({ name }) => name),
      holdsModule,
    );
  }
  const texts = await readTexts(source, records, bounds);
  const version = readVersion(texts);
  refuseBigEndian(texts.get('byteorder')?.());

  const read = (record: string, storages: StorageTable): PickleValue | undefined => {
    const bytes = texts.get(record)?.();
    const { maxPickleOpcodes: maxOpcodes, maxPickleNesting: maxNesting } = bounds;
    return bytes && unpickle(bytes, { record, storages, maxOpcodes, maxNesting });
  };
  const recordBytes = (record: string): number | undefined => records.get(record)?.bytes;
  return {
    source,
    version,
    root: asRoot(read('data.pkl', new StorageTable('data', recordBytes))),
    constants: asConstants(read('constants.pkl', new StorageTable('constants', recordBytes))),
    tracedInputs: asTracedInputs(read('traced_inputs.pkl', new StorageTable('traced_inputs'))),
    sources: asSources(texts, bounds),
    recordRange(record) {
      const entry = records.get(record);
      if (entry === undefined || entry.method !== 'stored') return undefined;
      return { offset: entry.dataOffset, length: entry.bytes };
    },
    async readRecord(record) {
      const entry = records.get(record);
      if (entry === undefined) throw modelError('archive', `the archive has no record ${record}`, { record });
      checkBytes(entry, bounds.maxRecordBytes);
      const [bytes] = await readStored(source, [entry]);
      return unpackRecord(entry, bytes as Uint8Array);
    },
  };
}

/** The records of the archive's root folder, by their names below it. The first file's folder is the root folder. */
function recordsOfRoot(entries: readonly ZipEntry[]): Map<string, ZipEntry> {
  const first = entries[0]?.name ?? '';
  const root = first.slice(0, first.indexOf('/') + 1);
  const inRoot = entries.filter(({ name }) => root !== '' && name.startsWith(root));
  return new Map(inRoot.map((entry) => [entry.name.slice(root.length), entry]));
}

function isTorchScript(records: ReadonlyMap<string, ZipEntry>): boolean {
  const hasCode = [...records.keys()].some((name) => name.startsWith('code/') && name.endsWith('.py'));
  return hasCode && records.has('data.pkl') && records.has('constants.pkl');
}

/** The name with which pickles of TorchScript refer to compiled classes. */
const COMPILED_CLASS = new TextEncoder().encode('__torch__.');
/** The class of the root module is at the start of its pickle. */
const MAX_LOOK_BYTES = 1 << 16;

/** Whether a pickle holds a compiled module, as in an archive that torch.jit.save began. */
async function holdsCompiledModule(source: ByteSource, pickle: ZipEntry): Promise<boolean> {
  if (pickle.method !== 'stored') return false;
  const bytes = await source.read(pickle.dataOffset, Math.min(pickle.bytes, MAX_LOOK_BYTES));
  return bytes.some((_, at) => COMPILED_CLASS.every((byte, i) => bytes[at + i] === byte));
}

function checkBytes(entry: ZipEntry, limit: number): void {
  if (entry.bytes <= limit) return;
  const message = `record ${entry.name} has ${entry.bytes} bytes; at most ${limit} are read`;
  throw modelError('archive', message, { record: entry.name });
}

/** Code, pickles and small records by name. Each is unpacked when its function is called. */
type TextRecords = ReadonlyMap<string, () => Uint8Array>;

async function readTexts(
  source: ByteSource,
  records: ReadonlyMap<string, ZipEntry>,
  limits: ArchiveLimits,
): Promise<TextRecords> {
  const isCode = (name: string): boolean => name.startsWith('code/') && /\.py(\.debug_pkl)?$/.test(name);
  const names = [...records.keys()].filter((name) => isCode(name) || PICKLES.includes(name) || SMALL.includes(name));
  const entries = names.map((name) => records.get(name) as ZipEntry);
  let total = 0;
  entries.forEach((entry, i) => {
    const small = SMALL.includes(names[i] as string);
    checkBytes(entry, small ? MAX_SMALL_BYTES : limits.maxTextRecordBytes);
    total += Math.max(entry.bytes, entry.storedBytes);
  });
  if (total > limits.maxTextBytes) {
    const message = `the archive has ${total} bytes of code and pickles; at most ${limits.maxTextBytes} are read`;
    throw modelError('archive', message);
  }
  const stored = await readStored(source, entries);
  return new Map(names.map((name, i) => [name, () => unpackRecord(entries[i] as ZipEntry, stored[i] as Uint8Array)]));
}

function readVersion(texts: TextRecords): number {
  const record = VERSIONS.find((name) => texts.has(name));
  if (record === undefined)
    throw modelError('archive', 'the archive has no version record: save the model again with torch.jit.save');
  const text = decode(texts.get(record)?.(), record).trim();
  const version = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (version < 1)
    throw modelError('archive', `the archive's version record holds ${JSON.stringify(text)}, which is not a version`);
  if (version > MAX_VERSION) {
    const message = `the archive has format version ${version}; versions up to ${MAX_VERSION} are supported: update Sconce, or save the model with an earlier PyTorch`;
    throw modelError('archive', message);
  }
  return version;
}

function refuseBigEndian(bytes: Uint8Array | undefined): void {
  if (bytes === undefined) return;
  const order = decode(bytes, 'byteorder').trim();
  if (order === 'little') return;
  throw modelError(
    'archive',
    `the archive's weights are in ${JSON.stringify(order)} byte order; only little is supported: load the model on a little-endian machine (x86, arm) and save it again`,
  );
}

function asRoot(value: PickleValue | undefined): PickleObject {
  if (typeof value === 'object' && value !== null && value.kind === 'object') return value;
  throw modelError('pickle', 'data.pkl does not hold a module: save the model with torch.jit.save', {
    record: 'data.pkl',
  });
}

function asConstants(value: PickleValue | undefined): readonly PickleValue[] {
  if (typeof value === 'object' && value !== null && value.kind === 'tuple') return value.items;
  throw modelError('pickle', 'constants.pkl does not hold a tuple: save the model with torch.jit.save', {
    record: 'constants.pkl',
  });
}

function asTracedInputs(value: PickleValue | undefined): ReadonlyMap<string, readonly PickleValue[]> {
  const inputs = new Map<string, readonly PickleValue[]>();
  if (typeof value !== 'object' || value === null || value.kind !== 'dict') return inputs;
  for (const [method, items] of value.entries) {
    if (typeof method !== 'string' || typeof items !== 'object' || items === null) continue;
    if (items.kind === 'list' || items.kind === 'tuple') inputs.set(method, items.items);
  }
  return inputs;
}

function asSources(texts: TextRecords, limits: ArchiveLimits): ReadonlyMap<string, SourceText> {
  const sources = new Map<string, SourceText>();
  for (const [record, unpack] of texts) {
    if (!record.startsWith('code/') || !record.endsWith('.py')) continue;
    const path = record.slice('code/'.length);
    sources.set(path, new ArchiveSourceText(path, decode(unpack(), record), texts.get(`${record}.debug_pkl`), limits));
  }
  return sources;
}

function decode(bytes: Uint8Array | undefined, record: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw modelError('archive', `record ${record} is not UTF-8 text: the archive is damaged; copy it again`, {
      record,
    });
  }
}
