import type { Verb } from './environment.ts';
import { CNI_CODE, CniError } from './error.ts';
import { Fields, isObject } from './fields.ts';
import { IDENTIFIER } from './identifier.ts';
import type { Result } from './result.ts';
import { decodeResult } from './result-decode.ts';
import { atLeast, isVersionText, parseVersion, type SpecVersion } from './version.ts';

/** The version that brought a verb; the others were always there. */
const SINCE: Partial<Readonly<Record<Verb, SpecVersion>>> = {
  CHECK: '0.4.0',
  GC: '1.1.0',
  STATUS: '1.1.0',
};

/** What a plugin reads on stdin. */
export interface NetworkConfig {
  readonly version: SpecVersion;
  /** The network's name. */
  readonly name: string;
  /** All fields, for the plugin's own. */
  readonly fields: Fields;
  /** The result of the plugin before, or on DEL and CHECK that of the whole ADD. */
  readonly prevResult: Result | undefined;
}

/** Reads a plugin's configuration from JSON. Throws CniError. */
export function parseConfig(text: string, verb: Verb): NetworkConfig {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw undecodable(error instanceof Error ? error.message : String(error));
  }
  if (!isObject(value)) throw undecodable('expected an object');
  const fields = new Fields(value);
  const name = fields.string('name') ?? '';
  if (name === '') throw new CniError(CNI_CODE.invalidConfig, 'missing network name');
  if (!IDENTIFIER.test(name)) {
    throw new CniError(CNI_CODE.invalidConfig, 'invalid characters found in network name', name);
  }
  const version = configVersion(fields.string('cniVersion') ?? '', verb);
  return { version, name, fields, prevResult: prevResultOf(fields, version, verb) };
}

function configVersion(text: string, verb: Verb): SpecVersion {
  const since = SINCE[verb];
  // A verb that came later asks whether the version is old or new, and this one is neither.
  if (since !== undefined && text !== '' && !isVersionText(text)) {
    const got = JSON.stringify(text);
    throw new CniError(CNI_CODE.decode, `cniVersion: expected a version such as 1.1.0, got ${got}`);
  }
  const version = parseVersion(text);
  if (since !== undefined && !atLeast(version, since)) {
    throw new CniError(CNI_CODE.incompatibleVersion, `config version does not allow ${verb}`);
  }
  return version;
}

/** What ADD said, which CHECK can't do without. Throws CniError, its text after `prefix`. */
export function requirePrevResult({ prevResult }: NetworkConfig, prefix = ''): Result {
  if (prevResult !== undefined) return prevResult;
  throw new CniError(CNI_CODE.invalidConfig, `${prefix}Required prevResult missing`);
}

function prevResultOf(fields: Fields, version: SpecVersion, verb: Verb): Result | undefined {
  try {
    const previous = fields.object('prevResult');
    return previous === undefined ? undefined : decodeResult(previous, version);
  } catch (error) {
    // A result that was torn on its way must not keep a pod from being taken down.
    if (verb === 'DEL') return undefined;
    throw error;
  }
}

function undecodable(why: string): CniError {
  return new CniError(CNI_CODE.decode, `error unmarshall network config: ${why}`);
}
