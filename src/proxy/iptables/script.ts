import type { Flavour } from '../../iptables/programs.ts';
import { type Changes, isPrepended, type SharedChange } from './changes.ts';
import { CANARY, type TableName } from './names.ts';
import type { SharedChain } from './port-rules.ts';

/**
 * The program of the nft flavour looks its chains up in lists, so one transaction with all rules of a
 * large cluster takes it minutes, and with this many lines at a time seconds. The older one writes the
 * whole table anew for each.
 */
const LINES_PER_TRANSACTION = 3000;
/** The chain that says whose rules they are. */
const MARKED = `nat ${CANARY}`;

/**
 * The changes as the input of iptables-restore(8). Its transactions are each all or nothing, and come
 * in an order in which no packet meets half a Service: what refuses traffic is there before what
 * translates it changes, and goes after that; chains are there before what leads to them, and go
 * after that. Pure.
 */
export function scriptOf(changes: Changes, flavour: Flavour | undefined): string {
  const script = new Script(flavour === 'legacy' ? Infinity : LINES_PER_TRANSACTION);
  // Whose all of it is comes before it: what ends half-way can be taken away.
  const mark = changes.fixed.get(MARKED);
  if (mark !== undefined) script.chain('nat', CANARY, mark);
  for (const table of ['mangle', 'filter', 'nat'] as const) {
    for (const [name, rules] of changes.fixed) {
      const [of, chain = ''] = name.split(' ');
      if (of === table && name !== MARKED) script.chain(table, chain, rules);
    }
    if (table === 'filter') changeFilterShared(script, changes, 'added');
  }
  for (const chains of changes.ports) {
    script.transaction('nat');
    for (const [chain, rules] of chains) script.chain('nat', chain, rules);
  }
  for (const [name, change] of changes.shared) {
    if (name.startsWith('nat ')) changeShared(script, name, change);
  }
  for (const { table, from, rule } of changes.jumps) {
    if (table === 'nat') script.line(table, `-I ${from} ${rule}`);
  }
  for (const chain of [...changes.gone].sort(leadingFirst)) script.remove('nat', chain);
  changeFilterShared(script, changes, 'removed');
  for (const { table, from, rule } of changes.jumps) {
    if (table === 'filter') script.line(table, `-I ${from} ${rule}`);
  }
  return script.end();
}

/** What leads to others has to be emptied before those can go. */
const GONE_ORDER = ['KUBE-FW-', 'KUBE-EXT-', 'KUBE-SVL-', 'KUBE-SVC-', 'KUBE-SEP-'];

function leadingFirst(a: string, b: string): number {
  const rank = (chain: string) => GONE_ORDER.findIndex((prefix) => chain.startsWith(prefix));
  return rank(a) - rank(b);
}

/** Rules that refuse are added before `nat` changes, and removed after that. */
function changeFilterShared(script: Script, { shared }: Changes, when: 'added' | 'removed'): void {
  for (const [name, change] of shared) {
    if (!name.startsWith('filter ')) continue;
    const { added, removed, whole, exists } = change;
    if (whole !== undefined && (when === 'removed' || !exists)) {
      if (exists || when === 'added') changeShared(script, name, change);
    } else if (when === 'added') {
      changeShared(script, name, { added, removed: [], exists });
    } else {
      changeShared(script, name, { added: [], removed, exists });
    }
  }
}

function changeShared(
  script: Script,
  name: SharedChain,
  { added, removed, whole }: SharedChange,
): void {
  const [table, chain] = name.split(' ') as [TableName, string];
  if (whole !== undefined) {
    script.chain(table, chain, whole);
    return;
  }
  for (const rule of removed) script.line(table, `-D ${chain} ${rule}`);
  const verb = isPrepended(name) ? '-I' : '-A';
  for (const rule of added) script.line(table, `${verb} ${chain} ${rule}`);
}

/** Transactions of iptables-restore(8), one after the other. */
class Script {
  readonly #linesMax: number;
  readonly #done: string[] = [];
  #table: TableName = 'filter';
  #chains: string[] = [];
  #lines: string[] = [];
  #removals: string[] = [];

  constructor(linesMax: number) {
    this.#linesMax = linesMax;
  }

  /** Begins another transaction where the last one is full or another table's. */
  transaction(table: TableName): void {
    const count = this.#chains.length + this.#lines.length + this.#removals.length;
    if (table !== this.#table || count >= this.#linesMax) this.#commit();
    this.#table = table;
  }

  /** Writes a chain whole. */
  chain(table: TableName, chain: string, rules: readonly string[]): void {
    if (table !== this.#table) this.transaction(table);
    this.#chains.push(`:${chain} - [0:0]`);
    for (const rule of rules) this.#lines.push(`-A ${chain} ${rule}`);
  }

  line(table: TableName, line: string): void {
    if (table !== this.#table) this.transaction(table);
    this.#lines.push(line);
  }

  /** Empties a chain and takes it away. */
  remove(table: TableName, chain: string): void {
    this.transaction(table);
    this.#chains.push(`:${chain} - [0:0]`);
    this.#removals.push(`-X ${chain}`);
  }

  end(): string {
    this.#commit();
    return this.#done.join('');
  }

  #commit(): void {
    if (this.#chains.length + this.#lines.length === 0) return;
    // The nft flavour keeps them sorted, which takes longest where they come in no order.
    const chains = [...new Set(this.#chains)].sort();
    const lines = [`*${this.#table}`, ...chains, ...this.#lines, ...this.#removals, 'COMMIT', ''];
    this.#done.push(lines.join('\n'));
    this.#chains = [];
    this.#lines = [];
    this.#removals = [];
  }
}
