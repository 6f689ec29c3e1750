import type { Node } from '../../cluster/objects.ts';
import type { Addr } from '../../ipaddr/addr.ts';
import { tryParseAddrLenient } from '../../ipaddr/parse-addr.ts';
import { type Prefix, tryParsePrefix } from '../../ipaddr/prefix.ts';

/**
 * How a pod of this node is told from everybody else (KubeProxyConfiguration `detectLocalMode`). `none`:
 * it isn't, and pods are treated like what comes from outside.
 */
export type LocalDetector =
  | { readonly kind: 'none' }
  /** By its address; a family without a prefix has no detector. */
  | { readonly kind: 'prefixes'; readonly prefixes: readonly Prefix[] }
  /** By the bridge its packets come in on. */
  | { readonly kind: 'bridge'; readonly name: string }
  /** By the beginning of the name of the interface its packets come in on. */
  | { readonly kind: 'interface-prefix'; readonly prefix: string };

/** What the routes depend on beside Services and EndpointSlices. */
export interface ModelSettings {
  /** The node we are, as EndpointSlices name it. */
  readonly nodeName: string;
  /** The node's topology.kubernetes.io/zone, or empty: then no traffic is kept in a zone. */
  readonly zone: string;
  /** The node's own addresses, as the Node object lists them. */
  readonly nodeAddrs: readonly Addr[];
  readonly detector: LocalDetector;
  /** Masquerade all that goes to a cluster IP. */
  readonly masqueradeAll: boolean;
  /** Whether Services' externalIPs are served. */
  readonly externalIPs: boolean;
  /** The proxy's name in the label service.kubernetes.io/service-proxy-name; empty: no label. */
  readonly proxyName: string;
}

/** The settings of a proxy that is told nothing. */
export const DEFAULT_SETTINGS: ModelSettings = {
  nodeName: '',
  zone: '',
  nodeAddrs: [],
  detector: { kind: 'none' },
  masqueradeAll: false,
  externalIPs: true,
  proxyName: '',
};

/** Whether pods of this node can be told from others in a family. */
export function detects({ detector }: ModelSettings, family: 4 | 6): boolean {
  if (detector.kind === 'none') return false;
  if (detector.kind !== 'prefixes') return true;
  return detector.prefixes.some((prefix) => prefix.addr.family === family);
}

const ZONE_LABEL = 'topology.kubernetes.io/zone';

/**
 * `settings` with what our Node object says; unchanged while there is none. `detectsByNode`: its
 * podCIDRs are the detector.
 */
export function withNode(
  settings: ModelSettings,
  node: Node | undefined,
  detectsByNode = false,
): ModelSettings {
  if (node === undefined) return settings;
  const prefixes = node.podCIDRs.map(tryParsePrefix).filter((prefix) => prefix !== undefined);
  const byNode = { kind: prefixes.length === 0 ? 'none' : 'prefixes', prefixes } as const;
  return {
    ...settings,
    detector: detectsByNode ? byNode : settings.detector,
    zone: node.metadata.labels[ZONE_LABEL] ?? '',
    nodeAddrs: node.addresses
      .map(({ address }) => tryParseAddrLenient(address))
      .filter((addr) => addr !== undefined),
  };
}
