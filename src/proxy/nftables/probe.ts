import { PodwireError } from '../../errors.ts';
import { NetlinkError } from '../../netlink/error.ts';
import { Batch } from '../../netlink/nftables/batch.ts';
import type { NftablesConnection } from '../../netlink/nftables/connection.ts';
import { staticChains } from './chains.ts';
import { type IpFamily, TABLE } from './names.ts';
import { pickChainSpec } from './pick-chains.ts';
import { affinitySpec, setSpecs } from './sets.ts';
import type { TableFlags } from './table-sync.ts';

/** The kernel can't do what the rules need. */
export class KernelLacksError extends PodwireError {
  /** What was asked of it, and what it said. */
  readonly missing: string;

  constructor(missing: string, cause: unknown) {
    super('ERR_PROXY_KERNEL', `the kernel can't run Services on nftables: ${missing}`, { cause });
    this.missing = missing;
  }
}

const PROBE = 'podwire-probe';
/** Every kind of rule is in these; they are as good as any. */
const PROBE_NODE = {
  detector: { kind: 'prefixes', prefixes: [] },
  masqueradeAll: false,
  masqueradeBit: 14,
  nodePortAddrs: 'all',
  localhostNodePorts: false,
  serviceCidrs: [],
} as const;

/**
 * Has the kernel build a table with every kind of set and rule there is, and take it back in the same
 * transaction, so that nobody ever sees it. Throws KernelLacksError naming what it refused.
 */
export function probeRules(connection: NftablesConnection, family: IpFamily): void {
  const table = { family: TABLE[family].family, name: PROBE };
  const batch = new Batch(connection);
  batch.tableAdd(table);
  for (const set of [...setSpecs(family), affinitySpec(family, 1)]) batch.setAdd(table, set);
  const picks = [0, 1].map((stickySeconds) => pickChainSpec(family, { count: 2, stickySeconds }));
  for (const chain of [...picks, ...staticChains(family, PROBE_NODE)]) {
    batch.chainAdd(table, chain);
    for (const rule of chain.rules) batch.ruleAdd(table, chain.name, rule);
  }
  batch.tableDel(table);
  try {
    batch.commit();
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error;
    throw new KernelLacksError(error.message, error);
  }
}

/**
 * Which flags of a table the kernel knows: with `owner` nobody else can change it, with `persist` it
 * stays when we go and is adopted by who comes after (Linux 6.9). One without the other is of no use.
 */
export function probeFlags(connection: NftablesConnection, family: IpFamily): TableFlags {
  const flags = ['owner', 'persist'] as const;
  const table = { family: TABLE[family].family, name: PROBE };
  const batch = new Batch(connection);
  batch.tableAdd({ ...table, flags });
  batch.tableDel(table);
  try {
    batch.commit();
    return flags;
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error;
    return [];
  }
}
