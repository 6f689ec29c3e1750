import { accessSync, constants } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { IptablesError } from './error.ts';

/** Whose rules a program of iptables(8) makes: those of nftables, or those of its own older tables. */
export type Flavour = 'nft' | 'legacy';

/** What is done: a table read as text, or changed by text. */
export type Verb = 'save' | 'restore';

const NAME = { 4: 'iptables', 6: 'ip6tables' } as const;
/** Where programs are beside those of PATH. */
const PROGRAM_DIRECTORIES = ['/usr/sbin', '/sbin', '/usr/bin', '/bin'];

/** `iptables-save`, `ip6tables-legacy-restore`; without a flavour it is the one the system chose. */
export function programName(family: 4 | 6, verb: Verb, flavour?: Flavour): string {
  return `${NAME[family]}-${flavour === undefined ? '' : `${flavour}-`}${verb}`;
}

/** The program's path. Throws IptablesError when it is nowhere. */
export function findProgram(program: string): string {
  const file = programPath(program);
  if (file !== undefined) return file;
  throw new IptablesError('missing', program, `looked in ${directories().join(':')}`);
}

/** The program's path; undefined when it is nowhere. */
export function programPath(program: string): string | undefined {
  const files = directories().map((directory) => join(directory, program));
  return files.find(isExecutable);
}

/** Who starts us may give no PATH at all. */
function directories(): string[] {
  return [...(process.env.PATH ?? '').split(':').filter(isAbsolute), ...PROGRAM_DIRECTORIES];
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
