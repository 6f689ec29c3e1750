import { parseChains } from '../../iptables/chains.ts';
import { mayHoldChain } from '../../iptables/detect.ts';
import { IptablesError } from '../../iptables/error.ts';
import { programName, programPath } from '../../iptables/programs.ts';
import { restore, saveTable, type Target } from '../../iptables/run.ts';
import {
  CANARY,
  FIXED_CHAINS,
  isPortChain,
  OWNER_MARK,
  SERVICES,
  type TableName,
} from './names.ts';
import { JUMPS } from './node-rules.ts';

/** How long it is waited for others that change rules. */
const WAIT_SECONDS = 60;
const FAMILIES = [4, 6] as const;
const TABLES = ['filter', 'nat', 'mangle'] as const;

/** Whose rules go: ours alone, or those of a kube-proxy as well, which have the same names. */
export type Whose = 'ours' | 'any';

/**
 * Removes what `kube-proxy --cleanup` would: the jumps, the fixed chains and those of ports. KUBE-FIREWALL
 * is the kubelet's, too, and stays. Gives what was removed. Throws IptablesError.
 */
export function removeRules(target: Target, whose: Whose): string[] {
  // Nobody need be asked by a process where there is nothing.
  if (!mayHoldChain(target.family, (chain) => chain === SERVICES || chain === CANARY)) return [];
  let text: string;
  try {
    text = saveTable(target);
  } catch (error) {
    // Without the program nobody here can have made any.
    if (error instanceof IptablesError && error.failure === 'missing') return [];
    throw error;
  }
  const actual = parseChains(text);
  const isMarked = actual.get('nat')?.get(CANARY)?.includes(OWNER_MARK) === true;
  if (whose === 'ours' && !isMarked) return [];
  const transactions: string[] = [];
  const removed: string[] = [];
  // Refusals go last, so that nothing slips through while the rest goes; and after them what says whose
  // they are, for whoever has to go on when this ends half-way.
  for (const table of [...TABLES].reverse()) {
    const there = actual.get(table);
    const jumps = JUMPS.filter(
      (jump) => jump.table === table && there?.get(jump.from)?.includes(jump.rule),
    );
    const chains = [...(there?.keys() ?? [])].filter((chain) => isOurs(table, chain)).sort();
    if (jumps.length + chains.length === 0) continue;
    const deletions = jumps.map(({ from, rule }) => `-D ${from} ${rule}`);
    const others = chains.filter((chain) => table !== 'nat' || chain !== CANARY);
    transactions.push(removal(table, others, deletions));
    removed.push(`${chains.length} chains of table ${table}, IPv${target.family} (iptables)`);
  }
  if (actual.get('nat')?.has(CANARY) === true) transactions.push(removal('nat', [CANARY]));
  if (transactions.length > 0) restore(target, transactions.join(''), WAIT_SECONDS);
  return removed;
}

/** Removes what is ours of every flavour that is installed, and nothing of a kube-proxy. */
export function removeOwnRules(): string[] {
  const installed = (['nft', 'legacy'] as const).filter(
    (flavour) => programPath(programName(4, 'save', flavour)) !== undefined,
  );
  const flavours = installed.length === 0 ? [undefined] : installed;
  return flavours.flatMap((flavour) =>
    FAMILIES.flatMap((family) => removeRules({ family, flavour }, 'ours')),
  );
}

/** A transaction of iptables-restore(8). */
function removal(
  table: TableName,
  chains: readonly string[],
  deletions: readonly string[] = [],
): string {
  const declared = chains.map((chain) => `:${chain} - [0:0]`);
  const deleted = chains.map((chain) => `-X ${chain}`);
  return [`*${table}`, ...declared, ...deletions, ...deleted, 'COMMIT', ''].join('\n');
}

function isOurs(table: TableName, chain: string): boolean {
  return FIXED_CHAINS[table].includes(chain) || (table === 'nat' && isPortChain(chain));
}
