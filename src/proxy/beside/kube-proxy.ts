import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { get } from 'node:http';
import { PodwireError } from '../../errors.ts';
import { Batch } from '../../netlink/nftables/batch.ts';
import { NftablesConnection } from '../../netlink/nftables/connection.ts';
import type { TableRef } from '../../netlink/nftables/family.ts';
import { chainList, tableList } from '../../netlink/nftables/list.ts';
import { RouteConnection } from '../../netlink/route/connection.ts';
import { linkByName } from '../../netlink/route/link/find.ts';

/** As the kernel names the process (comm in proc(5)). */
const PROCESS = 'kube-proxy';
/** kube-proxy's default metricsBindAddress, which k3s and others that contain it keep. */
const PROXY_MODE_URL = 'http://127.0.0.1:10249/proxyMode';
const PROXY_MODES = ['iptables', 'ipvs', 'nftables'];
/** Nobody that listens here takes longer to say so. */
const TIMEOUT_MS = 500;
const ANSWER_BYTES_MAX = 64;
/** Its table in mode nftables, for both families. */
const TABLE = 'kube-proxy';
/** In its chains of iptables, where iptables is nftables underneath. */
const CHAINS = ['KUBE-SERVICES', 'KUBE-PROXY-CANARY'];
/** The link that holds its addresses in mode ipvs. */
const IPVS_LINK = 'kube-ipvs0';

/** What was found of kube-proxy in the network namespace, in words. */
export interface KubeProxyPresence {
  /** Signs that it runs now. */
  readonly live: readonly string[];
  /** Its rules; of one that does not run, they are left over. */
  readonly rules: readonly string[];
}

/** Two proxies at work on one node: whichever comes first in a hook decides. */
export class KubeProxyRunsError extends PodwireError {
  constructor({ live, rules }: KubeProxyPresence) {
    const found = [...live, ...rules].join(', ');
    super(
      'ERR_KUBE_PROXY_RUNS',
      `kube-proxy runs on this node (${found}): expected it to be stopped, and its rules removed by "kube-proxy --cleanup"`,
    );
  }
}

/**
 * Looks for kube-proxy in the namespace the process is in. It is alive when a process of that name
 * shares our network, or when its metrics port answers with a mode, which covers those that contain it
 * and processes that we do not see from inside a container. Rules alone prove nothing, for it leaves
 * them when it ends; and none of them changes regularly.
 */
export async function findKubeProxy(): Promise<KubeProxyPresence> {
  const mode = await askProxyMode();
  const live = processes().map((pid) => `process ${pid}`);
  if (mode !== undefined) live.push(`mode ${mode} at 127.0.0.1:10249`);
  return { live, rules: rulesOf() };
}

/** Removes the tables of a kube-proxy that was in mode nftables. Gives what was removed. */
export function removeKubeProxyTables(): string[] {
  using nftables = NftablesConnection.open();
  const tables = tableList(nftables).filter(({ name }) => name === TABLE);
  const batch = new Batch(nftables);
  for (const table of tables) batch.tableDel(table);
  batch.commit();
  return tables.map(({ family, name }) => `table ${family} ${name}`);
}

/** The processes named kube-proxy in our network namespace, as far as we see processes. */
function processes(): string[] {
  const own = readlinkSync('/proc/self/ns/net');
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
      return name === PROCESS && readlinkSync(`/proc/${pid}/ns/net`) === own;
    } catch {
      // It ended meanwhile, or is not for us to look at.
      return false;
    }
  });
}

/** The mode a kube-proxy tells; undefined when none listens, or it is one of us. */
function askProxyMode(): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const request = get(PROXY_MODE_URL, { agent: false, timeout: TIMEOUT_MS }, (response) => {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (data: string) => {
      text += data;
      if (text.length > ANSWER_BYTES_MAX) request.destroy();
    });
    response.on('end', () => {
      const isOurs = response.headers.server === 'podwire';
      resolve(!isOurs && PROXY_MODES.includes(text.trim()) ? text.trim() : undefined);
    });
  });
  request.on('timeout', () => request.destroy());
  request.on('close', () => resolve(undefined));
  request.on('error', () => resolve(undefined));
  return promise;
}

function rulesOf(): string[] {
  using nftables = NftablesConnection.open();
  using route = RouteConnection.open();
  const all = tableList(nftables);
  const tables = all.filter(({ name }) => name === TABLE);
  const chains = all.filter(isOfIptables).flatMap((table) => {
    const named = chainList(nftables, table).filter(({ name }) => CHAINS.includes(name));
    return named.map(({ name }) => `chain ${name} of table ${table.family} ${table.name}`);
  });
  return [
    ...tables.map(({ family, name }) => `table ${family} ${name}`),
    ...chains,
    ...(linkByName(route, IPVS_LINK) === undefined ? [] : [`link ${IPVS_LINK}`]),
  ];
}

/** The tables it has chains in, as nftables shows those of iptables. */
function isOfIptables({ family, name }: TableRef): boolean {
  return (family === 'ip' || family === 'ip6') && (name === 'nat' || name === 'mangle');
}
