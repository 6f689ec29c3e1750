import { CNI_CODE, CniError } from './error.ts';
import { Fields, isObject } from './fields.ts';
import { decodeResult, type Result } from './result.ts';
import { parseVersion, type SpecVersion } from './version.ts';

/** What `name` and CNI_CONTAINERID may look like (CNI specification, section 1). */
export const IDENTIFIER = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

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
export function parseConfig(text: string): NetworkConfig {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new CniError(CNI_CODE.decode, `error unmarshalling network config: ${String(error)}`);
  }
  if (!isObject(value)) {
    throw new CniError(CNI_CODE.decode, 'error unmarshalling network config: expected an object');
  }
  const fields = new Fields(value);
  const version = parseVersion(fields.string('cniVersion') || '0.1.0');
  const name = fields.string('name') ?? '';
  if (name === '') throw new CniError(CNI_CODE.invalidConfig, 'missing network name');
  if (!IDENTIFIER.test(name)) {
    throw new CniError(CNI_CODE.invalidConfig, 'invalid characters in network name', name);
  }
  const previous = fields.object('prevResult');
  const prevResult = previous === undefined ? undefined : decodeResult(previous);
  return { version, name, fields, prevResult };
}
