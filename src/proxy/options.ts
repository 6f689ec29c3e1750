import type { ClusterState } from '../cluster/store.ts';
import type { Addr } from '../ipaddr/addr.ts';
import { type Prefix, tryParsePrefix } from '../ipaddr/prefix.ts';
import { type ModelSettings, withNode } from './model/settings.ts';
import type { NodeRules } from './node.ts';

/** How the proxy behaves, apart from what the cluster's objects say. */
export interface ProxyOptions {
  readonly settings: ModelSettings;
  readonly node: Omit<NodeRules, 'nodePortAddrs' | 'detector'>;
  /**
   * Where node ports are served (`nodePortAddresses`): on the addresses of our Node object, or on all
   * as long as there is none; on all; or on those of the node's addresses that are in prefixes.
   */
  readonly nodePorts: 'primary' | 'all' | readonly Prefix[];
  /** The addresses the node has now. */
  readonly localAddrs: () => readonly Addr[];
  /** Pods of this node are those in the podCIDRs of its Node (`detectLocalMode` NodeCIDR). */
  readonly detectsByNode: boolean;
  /** How often what the kernel has is read and repaired (`syncPeriod`). */
  readonly syncPeriodMs: number;
}

/** The model's settings, by the options and what the cluster's objects say of this node. */
export function settingsIn(
  state: ClusterState,
  { settings, detectsByNode }: ProxyOptions,
): ModelSettings {
  return withNode(settings, state.nodes.get(settings.nodeName), detectsByNode);
}

/** The rules of the node, by the same. */
export function nodeRulesIn(state: ClusterState, options: ProxyOptions): NodeRules {
  const { node } = options;
  const cidrs = [...state.serviceCidrs.values()].flatMap((each) => each.cidrs);
  return {
    ...node,
    detector: settingsIn(state, options).detector,
    serviceCidrs: cidrs.length === 0 ? node.serviceCidrs : cidrs.flatMap(prefixesOf),
    nodePortAddrs: nodePortAddrsIn(state, options),
  };
}

function nodePortAddrsIn(state: ClusterState, options: ProxyOptions): NodeRules['nodePortAddrs'] {
  const { nodePorts, localAddrs } = options;
  if (nodePorts === 'all') return 'all';
  if (nodePorts !== 'primary') {
    return localAddrs().filter((addr) => nodePorts.some((prefix) => prefix.contains(addr)));
  }
  const { nodeAddrs } = settingsIn(state, options);
  return nodeAddrs.length === 0 ? 'all' : nodeAddrs;
}

function prefixesOf(text: string): Prefix[] {
  const prefix = tryParsePrefix(text);
  return prefix === undefined ? [] : [prefix];
}
