import { startProgram } from '../sys/child.ts';
import type { Netns } from '../sys/netns.ts';
import { findProgram, programName } from './programs.ts';
import {
  OUTPUT_BYTES_MAX,
  outputOf,
  restoreArgs,
  saveArgs,
  type Target,
  TIMEOUT_MS,
} from './run.ts';

/** A program that works while the event loop goes on. */
export interface Started<T> {
  readonly pid: number;
  /** Rejects with IptablesError. */
  readonly done: Promise<T>;
}

/** As `saveTable`, of all tables, in `netns`. */
export function startSave(target: Target, netns: Netns | undefined): Started<string> {
  return start(programName(target.family, 'save', target.flavour), saveArgs(undefined), '', netns);
}

/** As `restore`, in `netns`. */
export function startRestore(
  target: Target,
  text: string,
  waitSeconds: number,
  netns: Netns | undefined,
): Started<string> {
  const program = programName(target.family, 'restore', target.flavour);
  return start(program, restoreArgs(waitSeconds), text, netns);
}

function start(
  program: string,
  args: readonly string[],
  input: string,
  netns: Netns | undefined,
): Started<string> {
  const options = { input, timeoutMs: TIMEOUT_MS, outputBytesMax: OUTPUT_BYTES_MAX };
  const { pid, ended } = startProgram(findProgram(program), args, options, netns);
  return { pid, done: ended.then((outcome) => outputOf(program, outcome)) };
}
