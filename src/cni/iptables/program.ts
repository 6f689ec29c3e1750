import { readFileSync } from 'node:fs';
import { IptablesError } from '../../iptables/error.ts';
import { findProgram, programName, programPath } from '../../iptables/programs.ts';
import { restore, saveTable } from '../../iptables/run.ts';
import { parseSaved, type SavedTable } from '../../iptables/save.ts';
import { NftablesConnection } from '../../netlink/nftables/connection.ts';
import { chainList } from '../../netlink/nftables/list.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';

/** How long iptables-legacy waits for others that change rules. */
const WAIT_SECONDS = 60;
const FAMILIES = [4, 6] as const;

/** Throws CniError of code 50 when a program is missing. */
export function checkInstalled(): void {
  for (const family of FAMILIES) {
    for (const verb of ['save', 'restore'] as const) {
      asCni(() => findProgram(programName(family, verb)));
    }
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
      names.split('\n').includes('nat') && programPath(programName(family, 'save')) !== undefined
    );
  } catch {
    return false;
  }
}

/** The table nat of a family. Throws CniError. */
export function readNat(family: 4 | 6): SavedTable {
  return parseSaved(asCni(() => saveTable({ family }, 'nat')));
}

/** Changes the table nat of a family by lines of iptables-restore(8), all of them or none. Throws CniError. */
export function restoreNat(family: 4 | 6, lines: readonly string[]): void {
  const text = ['*nat', ...lines, 'COMMIT', ''].join('\n');
  asCni(() => restore({ family }, text, WAIT_SECONDS));
}

/** Throws what it throws as CNI has it. */
function asCni<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof IptablesError)) throw error;
    const { failure, program, details } = error;
    if (failure === 'missing') {
      throw new CniError(CNI_CODE.notAvailable, `${program} is not installed`, details);
    }
    throw new CniError(CNI_CODE.internal, `failed to run ${program}`, details);
  }
}
