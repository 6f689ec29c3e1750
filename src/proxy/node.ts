import type { Addr } from '../ipaddr/addr.ts';
import { type Prefix, parsePrefix } from '../ipaddr/prefix.ts';
import type { LocalDetector } from './model/settings.ts';

/** The part of the rules that depends on the node and its configuration, and on no Service. */
export interface NodeRules {
  readonly detector: LocalDetector;
  /** Masquerade all that goes to a cluster IP (KubeProxyConfiguration `masqueradeAll`). */
  readonly masqueradeAll: boolean;
  /** The bit of the packet mark that asks for masquerading, 0 to 31 (`masqueradeBit`). */
  readonly masqueradeBit: number;
  /** Where node ports are served: on these addresses, or on all of the node but loopback. */
  readonly nodePortAddrs: readonly Addr[] | 'all';
  /**
   * Whether node ports are served on 127.0.0.1, too, where a backend can (`localhostNodePorts`): that of
   * iptables, in IPv4.
   */
  readonly localhostNodePorts: boolean;
  /** Where cluster IPs come from: packets to one that no Service has are dropped. */
  readonly serviceCidrs: readonly Prefix[];
}

/** The rules of a node that is told nothing. */
export const DEFAULT_NODE_RULES: NodeRules = {
  detector: { kind: 'none' },
  masqueradeAll: false,
  masqueradeBit: 14,
  nodePortAddrs: [],
  localhostNodePorts: false,
  serviceCidrs: [],
};

const LOOPBACK = [parsePrefix('127.0.0.0/8'), parsePrefix('::1/128')];

/** The addresses node ports are served on, with those the node has now for `all`. */
export function nodePortAddrsOf(
  { nodePortAddrs }: Pick<NodeRules, 'nodePortAddrs'>,
  localAddrs: () => readonly Addr[],
): readonly Addr[] {
  if (nodePortAddrs !== 'all') return nodePortAddrs;
  return localAddrs().filter((addr) => !LOOPBACK.some((prefix) => prefix.contains(addr)));
}
