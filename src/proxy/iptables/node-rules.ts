import { readSysctl } from '../../sys/sysctl.ts';
import type { NodeRules } from '../node.ts';
import {
  CANARY,
  EXTERNAL_SERVICES,
  FORWARD,
  KUBELET_FIREWALL,
  MARK_MASQ,
  NODE_PORTS,
  OWNER_MARK,
  POSTROUTING,
  PROXY_FIREWALL,
  SERVICES,
  type TableName,
} from './names.ts';
import { comment, matchDestination } from './rule-text.ts';

/** What the rules that no Service has depend on. */
export interface NodeSettings {
  readonly node: NodeRules;
  /**
   * net.netfilter.nf_conntrack_tcp_be_liberal: the kernel tracks segments out of window, so those it
   * calls invalid need not be dropped.
   */
  readonly isLiberal: boolean;
}

const BE_LIBERAL = 'net/netfilter/nf_conntrack_tcp_be_liberal';

/** The rules of the node and what the kernel is set to, in the thread's namespace. */
export function nodeSettings(node: NodeRules): NodeSettings {
  return { node, isLiberal: (readSysctl(BE_LIBERAL) ?? '0') !== '0' };
}

/** A rule in one of the kernel's own chains that leads to one of ours. */
export interface Jump {
  readonly table: TableName;
  readonly from: string;
  readonly rule: string;
}

const LOOPBACK = { 4: '127.0.0.0/8', 6: '::1/128' } as const;
const SNAT = 'kubernetes service traffic requiring SNAT';

/** `0x4000/0x4000` */
function markOf({ masqueradeBit }: NodeRules): string {
  return `0x${(2 ** masqueradeBit).toString(16)}`;
}

/** The chains with the rules that are there whatever Services there are, by `table chain`. Pure. */
export function nodeChains(
  family: 4 | 6,
  { node, isLiberal }: NodeSettings,
): ReadonlyMap<string, readonly string[]> {
  const mark = markOf(node);
  const chains = new Map<string, readonly string[]>([
    [
      `nat ${POSTROUTING}`,
      [
        `-m mark ! --mark ${mark}/${mark} -j RETURN`,
        // Taken off, so that what passes again, as inside of a VXLAN packet, is left alone.
        `-j MARK --set-xmark ${mark}/0x0`,
        `${comment(SNAT)}-j MASQUERADE --random-fully`,
      ],
    ],
    [`nat ${MARK_MASQ}`, [`-j MARK --set-xmark ${mark}/${mark}`]],
    [
      `filter ${FORWARD}`,
      [
        ...(isLiberal ? [] : ['-m conntrack --ctstate INVALID -j DROP']),
        `${comment('kubernetes forwarding rules')}-m mark --mark ${mark}/${mark} -j ACCEPT`,
        `${comment('kubernetes forwarding conntrack rule')}-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
      ],
    ],
    [`nat ${CANARY}`, [OWNER_MARK]],
    [`filter ${CANARY}`, []],
    [`mangle ${CANARY}`, []],
  ]);
  if (family === 4 && node.localhostNodePorts) {
    // With route_localnet others on the link could reach what listens on loopback (CVE-2020-8558).
    chains.set(`filter ${KUBELET_FIREWALL}`, [
      `! -s ${LOOPBACK[4]} -d ${LOOPBACK[4]} ${comment('block incoming localnet connections')}-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP`,
    ]);
  }
  return chains;
}

const NODE_PORTS_LAST =
  'kubernetes service nodeports; NOTE: this must be the last rule in this chain';

/** The last rules of KUBE-SERVICES in `nat`: to node ports, after all addresses of Services. Pure. */
export function nodePortJumps(family: 4 | 6, node: NodeRules): readonly string[] {
  const words = comment(NODE_PORTS_LAST);
  const served = family === 4 && node.localhostNodePorts;
  if (node.nodePortAddrs === 'all') {
    const notLoopback = served ? '' : `! -d ${LOOPBACK[family]} `;
    return [`${notLoopback}${words}-m addrtype --dst-type LOCAL -j ${NODE_PORTS}`];
  }
  const addrs = node.nodePortAddrs.filter((addr) => addr.family === family);
  return addrs
    .filter((addr) => served || !isLoopback(`${addr}`))
    .map((addr) => `${matchDestination(addr)}${words}-j ${NODE_PORTS}`)
    .sort();
}

/**
 * The last rule of KUBE-SERVICES in `filter`, which kube-proxy lacks: what the node itself sends to an
 * address from outside without endpoints is refused as it is for others. A jump from OUTPUT would stay
 * behind when kube-proxy cleans up.
 */
export const FROM_NODE_JUMP = `${comment('addresses from outside, for what the node itself sends')}-m addrtype --src-type LOCAL -j ${EXTERNAL_SERVICES}`;

function isLoopback(addr: string): boolean {
  return addr === '::1' || addr.startsWith('127.');
}

const NEW = '-m conntrack --ctstate NEW ';

/** What leads to our chains, in the order in which kube-proxy puts them before all else. */
export const JUMPS: readonly Jump[] = [
  ...['INPUT', 'FORWARD'].map((from) => ({
    table: 'filter' as const,
    from,
    rule: `${NEW}${comment('kubernetes externally-visible service portals')}-j ${EXTERNAL_SERVICES}`,
  })),
  {
    table: 'filter',
    from: 'INPUT',
    rule: `${comment('kubernetes health check service ports')}-j ${NODE_PORTS}`,
  },
  ...['FORWARD', 'OUTPUT'].map((from) => ({
    table: 'filter' as const,
    from,
    rule: `${NEW}${comment('kubernetes service portals')}-j ${SERVICES}`,
  })),
  {
    table: 'filter',
    from: 'FORWARD',
    rule: `${comment('kubernetes forwarding rules')}-j ${FORWARD}`,
  },
  ...['INPUT', 'OUTPUT', 'FORWARD'].map((from) => ({
    table: 'filter' as const,
    from,
    rule: `${NEW}${comment('kubernetes load balancer firewall')}-j ${PROXY_FIREWALL}`,
  })),
  ...['OUTPUT', 'PREROUTING'].map((from) => ({
    table: 'nat' as const,
    from,
    rule: `${comment('kubernetes service portals')}-j ${SERVICES}`,
  })),
  {
    table: 'nat',
    from: 'POSTROUTING',
    rule: `${comment('kubernetes postrouting rules')}-j ${POSTROUTING}`,
  },
];

/** The kubelet's own, which stay when ours go. */
export const KUBELET_JUMPS: readonly Jump[] = ['INPUT', 'OUTPUT'].map((from) => ({
  table: 'filter',
  from,
  rule: `-j ${KUBELET_FIREWALL}`,
}));
