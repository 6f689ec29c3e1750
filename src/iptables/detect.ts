import { readFileSync } from 'node:fs';
import { NftablesConnection } from '../netlink/nftables/connection.ts';
import { chainList, ruleList, tableList } from '../netlink/nftables/list.ts';
import { parseChains } from './chains.ts';
import { type Flavour, programName, programPath } from './programs.ts';
import { saveTable } from './run.ts';

/** The kubelet makes one of these in `mangle`, to show which flavour a node uses (KEP-3178). */
const HINTS = ['KUBE-IPTABLES-HINT', 'KUBE-KUBELET-CANARY'];
const FAMILIES = [4, 6] as const;
/** The tables of iptables(8), which in nftables have these names too. */
const TABLES = ['filter', 'mangle', 'nat', 'raw', 'security'];

/** What was found of each flavour. */
interface Found {
  readonly isHinted: boolean;
  readonly rules: number;
}

/**
 * The flavour that is in use in the thread's namespace: the one the kubelet shows, else the one with
 * more rules, else nftables; so does the entry of kube-proxy's image (iptables-wrappers). Undefined
 * where the programs are not installed by flavour: there is but one.
 */
export function detectFlavour(): Flavour | undefined {
  const has = (flavour: Flavour) =>
    programPath(programName(4, 'restore', flavour)) !== undefined &&
    programPath(programName(4, 'save', flavour)) !== undefined;
  const hasNft = has('nft');
  const hasLegacy = has('legacy');
  if (!hasNft || !hasLegacy) return hasNft ? 'nft' : hasLegacy ? 'legacy' : undefined;
  const nft = findNft();
  if (nft.isHinted) return 'nft';
  const legacy = findLegacy();
  return legacy.isHinted || legacy.rules > nft.rules ? 'legacy' : 'nft';
}

/** By netlink, for whoever made them. */
function findNft(): Found {
  using connection = NftablesConnection.open();
  const tables = tableList(connection).filter(
    ({ family, name }) => (family === 'ip' || family === 'ip6') && TABLES.includes(name),
  );
  const chains = tables
    .filter(({ name }) => name === 'mangle')
    .flatMap((table) => chainList(connection, table));
  const rules = tables.reduce((sum, table) => sum + ruleList(connection, table).length, 0);
  return { isHinted: chains.some(({ name }) => HINTS.includes(name)), rules };
}

function findLegacy(): Found {
  let isHinted = false;
  let rules = 0;
  for (const family of FAMILIES) {
    if (!hasLegacyTables(family)) continue;
    const tables = parseChains(saveTable({ family, flavour: 'legacy' }));
    for (const [table, chains] of tables) {
      for (const [chain, each] of chains) {
        isHinted ||= table === 'mangle' && HINTS.includes(chain);
        rules += each.length;
      }
    }
  }
  return { isHinted, rules };
}

/** Whether any table of iptables-legacy is in use in the thread's namespace. Nothing is loaded. */
export function hasLegacyTables(family: 4 | 6): boolean {
  return legacyTables(family).length > 0;
}

/**
 * Whether it is worth a process to look for chains of `nat`. The iptables that is on nftables keeps them
 * where they are cheap to list; of the older one only whether the table is there can be told.
 */
export function mayHoldChain(family: 4 | 6, isOne: (chain: string) => boolean): boolean {
  using connection = NftablesConnection.open();
  const table = { family: family === 4 ? 'ip' : 'ip6', name: 'nat' } as const;
  if (chainList(connection, table).some(({ name }) => isOne(name))) return true;
  // Without the program nobody here can have made any.
  return (
    legacyTables(family).includes('nat') && programPath(programName(family, 'save')) !== undefined
  );
}

function legacyTables(family: 4 | 6): string[] {
  try {
    const path = `/proc/thread-self/net/${family === 4 ? 'ip' : 'ip6'}_tables_names`;
    return readFileSync(path, 'utf8').split('\n').filter(Boolean);
  } catch {
    return [];
  }
}
