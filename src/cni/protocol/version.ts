import { CNI_CODE, CniError } from './error.ts';

/** The versions of the specification that podwire speaks, oldest first. */
export const SPEC_VERSIONS = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;

export type SpecVersion = (typeof SPEC_VERSIONS)[number];

/** The newest version podwire speaks. */
export const NEWEST_VERSION: SpecVersion = '1.1.0';

/** Whether podwire speaks `text`. */
export function isSpecVersion(text: string): text is SpecVersion {
  return (SPEC_VERSIONS as readonly string[]).includes(text);
}

/** Whether `version` is `least` or newer. */
export function atLeast(version: SpecVersion, least: SpecVersion): boolean {
  return SPEC_VERSIONS.indexOf(version) >= SPEC_VERSIONS.indexOf(least);
}

/** Gives `text` as a version podwire speaks. Throws CniError of code 1, or 6 for no version at all. */
export function parseVersion(text: string): SpecVersion {
  if (isSpecVersion(text)) return text;
  if (!/^\d+\.\d+\.\d+$/.test(text)) {
    throw new CniError(
      CNI_CODE.decode,
      `cniVersion: expected a version such as 1.1.0, got "${text}"`,
    );
  }
  throw new CniError(
    CNI_CODE.incompatibleVersion,
    'incompatible CNI versions',
    `config is "${text}", plugin supports ${JSON.stringify(SPEC_VERSIONS)}`,
  );
}
