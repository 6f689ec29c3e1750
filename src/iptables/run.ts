import { type ProgramOutcome, runProgram } from '../sys/program.ts';
import { IptablesError } from './error.ts';
import { type Flavour, findProgram, programName } from './programs.ts';

/** A process that takes longer is killed. */
export const TIMEOUT_MS = 120_000;
export const OUTPUT_BYTES_MAX = 256 << 20;
/** RESOURCE_PROBLEM (iptables' xtables.h): the lock, or memory. */
const EXIT_BUSY = 4;

/** Whose table, and by which program. */
export interface Target {
  readonly family: 4 | 6;
  /** Undefined: the flavour the system chose. */
  readonly flavour?: Flavour | undefined;
}

/** iptables-save(8) of one table or, without one, of all. Throws IptablesError. */
export function saveTable({ family, flavour }: Target, table?: string): string {
  return run(programName(family, 'save', flavour), saveArgs(table), '');
}

/**
 * iptables-restore(8): the tables in `text` are changed one by one, each all or not at all. What the
 * text does not name stays. Waits for others who change rules. Throws IptablesError.
 */
export function restore({ family, flavour }: Target, text: string, waitSeconds: number): void {
  run(programName(family, 'restore', flavour), restoreArgs(waitSeconds), text);
}

export function saveArgs(table: string | undefined): string[] {
  return table === undefined ? [] : ['-t', table];
}

export function restoreArgs(waitSeconds: number): string[] {
  return ['--noflush', '--wait', `${waitSeconds}`];
}

function run(program: string, args: readonly string[], input: string): string {
  const options = { input, timeoutMs: TIMEOUT_MS, outputBytesMax: OUTPUT_BYTES_MAX };
  return outputOf(program, runProgram(findProgram(program), args, options));
}

/** What a program printed. Throws IptablesError when it failed. */
export function outputOf(program: string, outcome: ProgramOutcome): string {
  const { status, signal, stdout, stderr } = outcome;
  if (status === 0) return stdout;
  const how = signal === undefined ? `exit status ${status}` : `killed by signal ${signal}`;
  const failure = signal !== undefined || status === EXIT_BUSY ? 'busy' : 'refused';
  throw new IptablesError(failure, program, `${how}: ${stderr.trim()}`);
}
