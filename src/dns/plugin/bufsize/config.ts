import type { Directive } from '../../corefile/parse.ts';
import { expectArgs, expectNoBody, numberBetween } from '../../corefile/values.ts';

const SIZE_DEFAULT = 1232;
const SIZE_MIN = 512;
const SIZE_MAX = 4096;

/** `bufsize [SIZE]` */
export interface BufsizeConfig {
  readonly sizeBytes: number;
}

export function parseBufsize([directive]: readonly Directive[]): BufsizeConfig {
  if (directive === undefined) return { sizeBytes: SIZE_DEFAULT };
  expectNoBody(directive);
  const [size] = expectArgs(directive, 0, 1);
  return { sizeBytes: size === undefined ? SIZE_DEFAULT : numberBetween(size, SIZE_MIN, SIZE_MAX) };
}
