import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import { Fields, isObject } from '../protocol/fields.ts';
import { IDENTIFIER } from '../protocol/identifier.ts';
import {
  isSpecVersion,
  parseVersion,
  SPEC_VERSIONS,
  type SpecVersion,
} from '../protocol/version.ts';

/** A network: plugins in the order ADD calls them (CNI specification, section 1). */
export interface NetworkList {
  readonly name: string;
  readonly version: SpecVersion;
  readonly disableCheck: boolean;
  readonly disableGC: boolean;
  readonly plugins: readonly Fields[];
  /** The file's text, kept in the cache for DEL. */
  readonly text: string;
}

/** Reads a `.conflist`, or a `.conf` of one plugin as a list of one. Throws CniError. */
export function parseNetworkList(text: string, file: string): NetworkList {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new CniError(CNI_CODE.decode, `${file}: error parsing configuration: ${String(error)}`);
  }
  if (!isObject(value)) throw new CniError(CNI_CODE.decode, `${file}: expected an object`);
  const fields = new Fields(value);
  const name = fields.string('name') ?? '';
  if (!IDENTIFIER.test(name)) throw fields.wrong('name', 'a network name', name);
  const plugins = fields.value('plugins') === undefined ? [fields] : fields.objects('plugins');
  if (plugins.length === 0) throw fields.wrong('plugins', 'at least one plugin', []);
  for (const plugin of plugins) {
    if (!plugin.string('type')) throw plugin.wrong('type', 'the name of a plugin', '');
  }
  return {
    name,
    version: chooseVersion(fields),
    disableCheck: flag(fields, 'disableCheck'),
    disableGC: flag(fields, 'disableGC'),
    plugins,
    text,
  };
}

/** The highest version of `cniVersion` and `cniVersions` that podwire speaks. */
function chooseVersion(fields: Fields): SpecVersion {
  const named = fields.string('cniVersion');
  const all = [...(named === undefined ? [] : [named]), ...fields.strings('cniVersions')];
  const known = SPEC_VERSIONS.filter((version) => all.includes(version)).at(-1);
  return known !== undefined && isSpecVersion(known) ? known : parseVersion(named || '0.1.0');
}

/** The Go library takes the words "true" and "false" too. */
function flag(fields: Fields, name: string): boolean {
  const value = fields.value(name);
  if (typeof value === 'string' && /^(true|false)$/i.test(value)) return /^true$/i.test(value);
  return fields.boolean(name);
}

/**
 * Finds a network: a path of a file, or the name of a network in the directory. Of several files
 * with the name, the first by file name. Throws CniError.
 */
export function loadNetworkList(nameOrFile: string, directory: string): NetworkList {
  if (nameOrFile.includes('/')) {
    return parseNetworkList(readFileSync(nameOrFile, 'utf8'), nameOrFile);
  }
  const isDirectory = statSync(directory, { throwIfNoEntry: false })?.isDirectory() === true;
  const files = isDirectory
    ? readdirSync(directory)
        .filter((file) => /\.(conflist|conf|json)$/.test(file))
        .sort()
    : [];
  for (const file of files) {
    const path = join(directory, file);
    const list = parseNetworkList(readFileSync(path, 'utf8'), path);
    if (list.name === nameOrFile) return list;
  }
  throw new CniError(
    CNI_CODE.invalidConfig,
    `no net configuration with name "${nameOrFile}" in ${directory}`,
  );
}
