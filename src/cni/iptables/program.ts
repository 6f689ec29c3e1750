import { IptablesError } from '../../iptables/error.ts';
import { findProgram, programName } from '../../iptables/programs.ts';
import { restore, saveTable } from '../../iptables/run.ts';
import { parseSaved, type SavedTable } from '../../iptables/save.ts';
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
