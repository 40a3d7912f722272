import { existsSync, readdirSync, statSync, type Dirent } from 'node:fs';
import { basename, dirname, join, parse, resolve } from 'node:path';
import { SconceError } from '@sconce/errors';
import { compareVersions, parseModelName, parseModelVersion } from '@sconce/models';

/** A model file that is to be served. */
export interface ModelEntry {
  readonly name: string;
  readonly version: string;
  /** Absolute. */
  readonly path: string;
  /** Its `config.json`, if it has one. */
  readonly configPath?: string;
}

const MODEL_FILE = /\.(pt|pth|onnx)$/;
const HOW = 'Give model files (.pt, .onnx), NAME=FILE, or a folder of models.';

/**
 * Finds the model files that arguments name:
 * - `FILE`: the model has the name of the file without its ending. `NAME=FILE` gives another name.
 * - a folder with `model.pt` or `model.onnx`, or with folders `1`, `2`, … that have one: versions of a model with the folder's name.
 * - a folder of such files and folders.
 *
 * A file's config is `STEM.config.json` beside it, or else `config.json` beside it; for a version, also `config.json` one folder above.
 *
 * @throws SconceError `invalid_request` that names the path: it does not exist, has no model, has a name that is not allowed, or two
 * files have the same name or the same `config.json`.
 */
export function findModelFiles(args: readonly string[]): readonly ModelEntry[] {
  const entries = args.flatMap(entriesOf);
  if (entries.length === 0) throw refusal(`No model file is given. ${HOW}`);
  const known = new Map<string, ModelEntry>();
  const configs = new Map<string, ModelEntry>();
  for (const entry of entries) {
    const { name, version, path, configPath } = entry;
    checkName(entry);
    const other = known.get(`${name}/${version}`);
    if (other !== undefined) {
      throw refusal(
        `${other.path} and ${path} would both be version ${version} of model ${name}. Give one of them another name: NAME=${path}`,
      );
    }
    known.set(`${name}/${version}`, entry);
    if (configPath === undefined) continue;
    const sharer = configs.get(configPath);
    if (sharer !== undefined && sharer.name !== name) {
      throw refusal(
        `${configPath} lies beside ${sharer.path} and ${path}. Name it after the file that it is for: ${parse(path).name}.config.json`,
      );
    }
    configs.set(configPath, entry);
  }
  return entries;
}

function entriesOf(arg: string): ModelEntry[] {
  const [, given, rest] = /^([^=/\\]+)=(.+)$/.exec(arg) ?? [];
  const isNamed = given !== undefined && rest !== undefined && !existsSync(arg);
  const path = resolve(isNamed ? rest : arg);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw refusal(`${path} does not exist. ${HOW}`);
  if (stat.isFile()) return [fileEntry(path, isNamed ? given : undefined)];
  if (!stat.isDirectory()) throw refusal(`${path} is neither a file nor a folder. ${HOW}`);
  const versions = versionsIn(path, isNamed ? given : basename(path));
  if (versions.length > 0) return versions;
  if (isNamed) throw refusal(`${path} has no model.pt or model.onnx, so it cannot be the model ${given}. ${HOW}`);
  const found = listing(path).flatMap((child) => {
    const childPath = join(path, child.name);
    if (child.isDirectory()) return versionsIn(childPath, child.name);
    return MODEL_FILE.test(child.name) ? [fileEntry(childPath, undefined)] : [];
  });
  if (found.length > 0) return found;
  throw refusal(`${path} has no models: no .pt or .onnx file, and no folder with model.pt or model.onnx. ${HOW}`);
}

/** A file with a name of its own. */
function fileEntry(path: string, name: string | undefined): ModelEntry {
  return { name: name ?? parse(path).name, version: '1', path, ...configOf(path) };
}

/** The versions of a model that has a folder: its `model.*`, or those in folders with numbers, lowest first. */
function versionsIn(folder: string, name: string): ModelEntry[] {
  const own = modelFileIn(folder);
  if (own !== undefined) return [{ name, version: '1', path: own, ...configOf(own) }];
  const versions = listing(folder).filter((child) => child.isDirectory() && /^[1-9]\d{0,9}$/.test(child.name));
  return versions
    .sort((a, b) => compareVersions(a.name, b.name))
    .flatMap(({ name: version }): ModelEntry[] => {
      const path = modelFileIn(join(folder, version));
      if (path === undefined) return [];
      const shared = join(folder, 'config.json');
      const config = configOf(path);
      return [
        {
          name,
          version,
          path,
          ...(config.configPath === undefined && existsSync(shared) ? { configPath: shared } : config),
        },
      ];
    });
}

function modelFileIn(folder: string): string | undefined {
  const found = ['model.pt', 'model.onnx'].map((file) => join(folder, file)).filter((path) => existsSync(path));
  if (found.length > 1)
    throw refusal(`${folder} has model.pt and model.onnx. Remove one of them, or give the file that is meant.`);
  return found[0];
}

function configOf(path: string): Pick<ModelEntry, 'configPath'> {
  const folder = dirname(path);
  const configPath = [join(folder, `${parse(path).name}.config.json`), join(folder, 'config.json')].find((candidate) =>
    existsSync(candidate),
  );
  return configPath === undefined ? {} : { configPath };
}

/** Without hidden entries: kept compilations, and what version control leaves. */
function listing(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter(({ name }) => !name.startsWith('.'))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (cause) {
    throw refusal(`${folder} cannot be read: ${(cause as Error).message}.`, cause);
  }
}

function checkName({ name, version, path }: ModelEntry): void {
  try {
    parseModelName(name);
    parseModelVersion(version);
  } catch (cause) {
    throw refusal(`${path}: ${(cause as Error).message}. Another name can be given: NAME=${path}`, cause);
  }
}

function refusal(message: string, cause?: unknown): SconceError {
  return new SconceError('invalid_request', message, { cause });
}
