import { CNI_CODE, CniError } from './error.ts';

/** The versions of the specification that podwire speaks, oldest first. */
export const SPEC_VERSIONS = [
  '0.1.0',
  '0.2.0',
  '0.3.0',
  '0.3.1',
  '0.4.0',
  '1.0.0',
  '1.1.0',
] as const;

export type SpecVersion = (typeof SPEC_VERSIONS)[number];

/** The newest version podwire speaks. */
export const NEWEST_VERSION: SpecVersion = '1.1.0';

/** What a configuration or a result that names no version is written in. */
export const OLDEST_VERSION: SpecVersion = '0.1.0';

/** Whether podwire speaks `text`. */
export function isSpecVersion(text: string): text is SpecVersion {
  return (SPEC_VERSIONS as readonly string[]).includes(text);
}

/** Whether `text` can be put in order with other versions: one to three numbers. */
export function isVersionText(text: string): boolean {
  return /^\d+(\.\d+){0,2}$/.test(text);
}

/** Whether `version` is `least` or newer. */
export function atLeast(version: SpecVersion, least: SpecVersion): boolean {
  return SPEC_VERSIONS.indexOf(version) >= SPEC_VERSIONS.indexOf(least);
}

/** Gives `text` as a version podwire speaks; empty is the oldest. Throws CniError of code 1. */
export function parseVersion(text: string): SpecVersion {
  if (text === '') return OLDEST_VERSION;
  if (isSpecVersion(text)) return text;
  const known = SPEC_VERSIONS.map((version) => `"${version}"`).join(' ');
  throw new CniError(
    CNI_CODE.incompatibleVersion,
    'incompatible CNI versions',
    `config is ${JSON.stringify(text)}, plugin supports [${known}]`,
  );
}
