import { accessSync, constants, readFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { NftablesConnection } from '../../netlink/nftables/connection.ts';
import { chainList } from '../../netlink/nftables/list.ts';
import { runProgram } from '../../sys/program.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import { parseSaved, type SavedTable } from './save.ts';

const PROGRAM = { 4: 'iptables', 6: 'ip6tables' } as const;
/** How long iptables-legacy waits for others that change rules. */
const WAIT_SECONDS = 60;
/** A process that takes longer is killed. */
const TIMEOUT_MS = 120_000;
/** Where programs are beside those of PATH. */
const PROGRAM_DIRECTORIES = ['/usr/sbin', '/sbin', '/usr/bin', '/bin'];
const OUTPUT_BYTES_MAX = 256 << 20;

/** Throws CniError of code 50 when a program is missing. */
export function checkInstalled(): void {
  for (const program of Object.values(PROGRAM)) {
    for (const suffix of ['save', 'restore']) findProgram(`${program}-${suffix}`);
  }
}

/**
 * Whether it is worth a process to look for chains. The iptables that is on nftables keeps them where
 * they are cheap to list; of the older one only whether the table is there can be told.
 */
export function mayHold(family: 4 | 6, isOne: (chain: string) => boolean): boolean {
  using connection = NftablesConnection.open();
  const table = { family: family === 4 ? 'ip' : 'ip6', name: 'nat' } as const;
  if (chainList(connection, table).some(({ name }) => isOne(name))) return true;
  try {
    const names = readFileSync(
      `/proc/thread-self/net/${family === 4 ? 'ip' : 'ip6'}_tables_names`,
      'utf8',
    );
    // Without the program nobody here can have made any.
    return (
      names.split('\n').includes('nat') && programPath(`${PROGRAM[family]}-save`) !== undefined
    );
  } catch {
    return false;
  }
}

/** The table nat of a family. Throws CniError. */
export function readNat(family: 4 | 6): SavedTable {
  return parseSaved(run(`${PROGRAM[family]}-save`, ['-t', 'nat'], ''));
}

/** Changes the table nat of a family by lines of iptables-restore(8), all of them or none. Throws CniError. */
export function restoreNat(family: 4 | 6, lines: readonly string[]): void {
  const text = ['*nat', ...lines, 'COMMIT', ''].join('\n');
  run(`${PROGRAM[family]}-restore`, ['--noflush', '--wait', `${WAIT_SECONDS}`], text);
}

/** Runs a program and gives its output. Throws CniError with what it says. */
function run(program: string, args: readonly string[], input: string): string {
  const { status, signal, stdout, stderr } = runProgram(findProgram(program), args, {
    input,
    timeoutMs: TIMEOUT_MS,
    outputBytesMax: OUTPUT_BYTES_MAX,
  });
  if (status === 0) return stdout;
  const how = signal === undefined ? `exit status ${status}` : `killed by signal ${signal}`;
  const details = `${how}: ${stderr.trim()}`;
  throw new CniError(CNI_CODE.internal, `failed to run ${program}`, details);
}

/** The program's path. Throws CniError of code 50 when it is nowhere. */
function findProgram(program: string): string {
  const file = programPath(program);
  if (file !== undefined) return file;
  const details = `looked in ${directories().join(':')}`;
  throw new CniError(CNI_CODE.notAvailable, `${program} is not installed`, details);
}

function programPath(program: string): string | undefined {
  const files = directories().map((directory) => join(directory, program));
  return files.find(isExecutable);
}

/** A runtime may give no PATH at all. */
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
