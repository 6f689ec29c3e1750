import type { SavedChains } from '../../iptables/chains.ts';
import { FIXED_CHAINS, isPortChain, KUBELET_FIREWALL, SERVICES } from './names.ts';
import {
  FROM_NODE_JUMP,
  JUMPS,
  type Jump,
  KUBELET_JUMPS,
  type NodeSettings,
  nodeChains,
  nodePortJumps,
} from './node-rules.ts';
import { type PortRules, SHARED_CHAINS, type SharedChain } from './port-rules.ts';

/** More rules of a shared chain than this are not changed one by one: the chain is written anew. */
const REMOVED_ONE_BY_ONE_MAX = 16;
const ADDED_ONE_BY_ONE_MAX = 256;

/** What becomes of a chain that many Services have rules in. */
export interface SharedChange {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** All its rules, where it is written anew. */
  readonly whole?: readonly string[];
  /** Whether the chain is there. */
  readonly exists: boolean;
}

/** What differs in one family. Chains of ports are in `nat`. */
export interface Changes {
  /** Chains to be written whole, those of one port together. */
  readonly ports: readonly ReadonlyMap<string, readonly string[]>[];
  /** Chains that no port has, to be written whole, by `table chain`. */
  readonly fixed: ReadonlyMap<string, readonly string[]>;
  readonly shared: ReadonlyMap<SharedChain, SharedChange>;
  /** Chains of ports that go. */
  readonly gone: readonly string[];
  /** Each is put before all else, one after the other. */
  readonly jumps: readonly Jump[];
}

/** What a port had and what it shall have. */
export interface PortChange {
  readonly before: PortRules;
  readonly after: PortRules;
}

/** All rules that ports shall have in a shared chain, for when it is written anew. */
export type AllShared = (chain: SharedChain) => readonly string[];

/** What differs where only some ports do. Pure. */
export function changesOfPorts(
  family: 4 | 6,
  changes: readonly PortChange[],
  { node }: NodeSettings,
  all: AllShared,
): Changes {
  const ports: ReadonlyMap<string, readonly string[]>[] = [];
  const gone: string[] = [];
  const added = new Map<SharedChain, string[]>();
  const removed = new Map<SharedChain, string[]>();
  for (const { before, after } of changes) {
    const written = new Map(
      [...after.chains].filter(([chain, rules]) => !sameRules(rules, before.chains.get(chain))),
    );
    if (written.size > 0) ports.push(written);
    for (const chain of before.chains.keys()) if (!after.chains.has(chain)) gone.push(chain);
    minus(after.shared, before.shared, added);
    minus(before.shared, after.shared, removed);
  }
  const shared = new Map<SharedChain, SharedChange>();
  for (const chain of SHARED_CHAINS) {
    const change = {
      added: added.get(chain) ?? [],
      removed: removed.get(chain) ?? [],
      exists: true,
    };
    if (change.added.length + change.removed.length === 0) continue;
    const isWhole = isTooMuch(change);
    shared.set(
      chain,
      isWhole ? { ...change, whole: [...all(chain), ...tailOf(chain, family, node)] } : change,
    );
  }
  return { ports, fixed: new Map(), shared, gone, jumps: [] };
}

/** What differs between what a family shall have and what iptables-save(8) says it has. Pure. */
export function changesOfAll(
  family: 4 | 6,
  actual: SavedChains,
  wanted: readonly PortRules[],
  settings: NodeSettings,
): Changes {
  const nat = actual.get('nat');
  const ports: Map<string, readonly string[]>[] = [];
  const known = new Set<string>();
  const all = new Map<SharedChain, string[]>(SHARED_CHAINS.map((chain) => [chain, []]));
  for (const port of wanted) {
    const written = new Map<string, readonly string[]>();
    for (const [chain, rules] of port.chains) {
      known.add(chain);
      if (!sameRules(rules, nat?.get(chain))) written.set(chain, rules);
    }
    if (written.size > 0) ports.push(written);
    for (const [chain, rules] of port.shared) all.get(chain)?.push(...rules);
  }
  const shared = new Map<SharedChain, SharedChange>();
  for (const [chain, rules] of all) {
    const change = sharedChange(
      rules,
      tailOf(chain, family, settings.node),
      rulesOf(actual, chain),
    );
    if (change !== undefined) shared.set(chain, change);
  }
  return {
    ports,
    shared,
    fixed: fixedChanges(family, actual, settings),
    gone: [...(nat?.keys() ?? [])].filter((chain) => isPortChain(chain) && !known.has(chain)),
    jumps: [...JUMPS, ...KUBELET_JUMPS].filter(
      ({ table, from, rule }) => actual.get(table)?.get(from)?.includes(rule) !== true,
    ),
  };
}

/** Whether there is nothing to do. */
export function isEmpty({ ports, fixed, shared, gone, jumps }: Changes): boolean {
  return ports.length + fixed.size + shared.size + gone.length + jumps.length === 0;
}

/** How many chains and rules are written or taken away. */
export function countOf({ ports, fixed, shared, gone, jumps }: Changes): number {
  const own = [...ports, fixed].flatMap((chains) => [...chains.values()]);
  const written = own.reduce((sum, rules) => sum + 1 + rules.length, 0);
  const inShared = [...shared.values()].reduce(
    (sum, { added, removed, whole }) => sum + (whole?.length ?? added.length) + removed.length,
    0,
  );
  return written + inShared + gone.length + jumps.length;
}

/** The rules of `table chain`; undefined where there is no such chain. */
export function rulesOf(actual: SavedChains, name: string): readonly string[] | undefined {
  const [table = '', chain = ''] = name.split(' ');
  return actual.get(table)?.get(chain);
}

function fixedChanges(
  family: 4 | 6,
  actual: SavedChains,
  settings: NodeSettings,
): ReadonlyMap<string, readonly string[]> {
  const fixed = new Map<string, readonly string[]>();
  for (const [name, rules] of nodeChains(family, settings)) {
    if (!sameRules(rules, rulesOf(actual, name))) fixed.set(name, rules);
  }
  const kubelets = `filter ${KUBELET_FIREWALL}`;
  if (rulesOf(actual, kubelets) === undefined && !fixed.has(kubelets)) fixed.set(kubelets, []);
  // Chains that ports share are written by what is in them, but for those that are not there.
  for (const [table, chains] of Object.entries(FIXED_CHAINS)) {
    for (const chain of chains) {
      const name = `${table} ${chain}`;
      if (rulesOf(actual, name) === undefined && !fixed.has(name)) fixed.set(name, []);
    }
  }
  return fixed;
}

function tailOf(chain: SharedChain, family: 4 | 6, node: NodeSettings['node']): readonly string[] {
  if (chain === `filter ${SERVICES}`) return [FROM_NODE_JUMP];
  return chain === `nat ${SERVICES}` ? nodePortJumps(family, node) : [];
}

function sharedChange(
  wanted: readonly string[],
  tail: readonly string[],
  actual: readonly string[] | undefined,
): SharedChange | undefined {
  const whole = [...wanted, ...tail];
  if (actual === undefined) {
    return whole.length === 0 ? undefined : { added: wanted, removed: [], whole, exists: false };
  }
  const left = new Set(wanted);
  const end = actual.length - tail.length;
  const hasTail = sameRules(tail, actual.slice(Math.max(0, end)));
  const removed = actual.slice(0, hasTail ? end : undefined).filter((rule) => !left.delete(rule));
  const added = [...left];
  if (hasTail && removed.length + added.length === 0) return undefined;
  const change = { added, removed, exists: true };
  return hasTail && !isTooMuch(change) ? change : { ...change, whole };
}

function isTooMuch({ added, removed }: Pick<SharedChange, 'added' | 'removed'>): boolean {
  return removed.length > REMOVED_ONE_BY_ONE_MAX || added.length > ADDED_ONE_BY_ONE_MAX;
}

/** Adds to `into` the rules of `a` that `b` lacks. */
function minus(
  a: PortRules['shared'],
  b: PortRules['shared'],
  into: Map<SharedChain, string[]>,
): void {
  for (const [chain, rules] of a) {
    const others = b.get(chain);
    const left = others === undefined ? rules : rules.filter((rule) => !others.includes(rule));
    if (left.length === 0) continue;
    const known = into.get(chain);
    if (known === undefined) into.set(chain, [...left]);
    else known.push(...left);
  }
}

function sameRules(a: readonly string[], b: readonly string[] | undefined): boolean {
  if (b === undefined || a.length !== b.length) return false;
  return a.every((rule, index) => rule === b[index]);
}

/** Whether rules of a shared chain have to come before those that are there already. */
export function isPrepended(chain: SharedChain): boolean {
  // What is last in these stays last.
  return chain.endsWith(` ${SERVICES}`);
}
