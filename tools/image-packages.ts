/**
 * Prepares the image of an app: `node tools/image-packages.ts worker FOLDER` writes a `node_modules` folder into FOLDER. It has the packages
 * that the app's bundle does not contain, and their dependencies, copied from this installation.
 */
import { existsSync } from 'node:fs';
import { cp, readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { APPS, type AppName } from './bundle.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Dependencies that only install scripts use. */
const INSTALL_ONLY = new Set(['adm-zip', 'global-agent', '@scarf/scarf']);

/** This machine's system and processor, as the folders of ONNX Runtime's package name them. */
const OWN_SYSTEM = `${process.platform}/${process.arch}`;

/**
 * Copies the packages of an app. Returns their names.
 * @param systems those whose native libraries are copied: `linux/x64`. Default: this machine's.
 */
export async function writeImagePackages(
  app: AppName,
  folder: string,
  systems: readonly string[] = [OWN_SYSTEM],
): Promise<string[]> {
  const wanted: string[] = [...APPS[app].packages];
  for (const name of wanted) {
    const from = installedFolder(app, name);
    const { dependencies = {} } = JSON.parse(await readFile(join(from, 'package.json'), 'utf8')) as {
      dependencies?: Record<string, string>;
    };
    wanted.push(...Object.keys(dependencies).filter((other) => !INSTALL_ONLY.has(other) && !wanted.includes(other)));
    const to = join(folder, 'node_modules', name);
    await cp(from, to, { recursive: true, filter: (path) => !path.endsWith('.map') });
    if (name === 'onnxruntime-node') await keepLibraries(join(to, 'bin/napi-v6'), systems);
  }
  return wanted;
}

/** The folder of a package that an app imports. npm installs it beside the app when another project needs another version. */
function installedFolder(app: AppName, name: string): string {
  const folders = [join(ROOT, 'apps', app, 'node_modules', name), join(ROOT, 'node_modules', name)];
  const found = folders.find((folder) => existsSync(folder));
  if (found === undefined) throw new Error(`${name} is not installed: looked in ${folders.join(' and ')}. Run npm ci.`);
  return found;
}

/** Removes the libraries for other systems: ONNX Runtime's package has those of all systems. */
async function keepLibraries(folder: string, systems: readonly string[]): Promise<void> {
  for (const system of await readdir(folder)) {
    for (const arch of await readdir(join(folder, system))) {
      if (!systems.includes(`${system}/${arch}`)) await rm(join(folder, system, arch), { recursive: true });
    }
  }
}

if (import.meta.main) {
  const [, , app, folder] = process.argv;
  console.log((await writeImagePackages(app as AppName, folder ?? '')).join(' '));
}
