import type { Addr } from '../../ipaddr/addr.ts';
import type { LabelSelector } from './selector.ts';

/** Which answers `<dashed address>.<namespace>.pod` has, as CoreDNS's option `pods`. */
export type PodsMode = 'disabled' | 'insecure' | 'verified';

/**
 * What the records depend on beside the cluster's objects: the options of CoreDNS's kubernetes plugin,
 * under their names where they have one word.
 */
export interface KubernetesZoneOptions {
  /**
   * The zones, without a dot at the end: names such as `cluster.local`, and for reverse look-ups names
   * below `in-addr.arpa` and `ip6.arpa`. `reverseZonesOf` makes those of a prefix.
   */
  readonly zones: readonly string[];
  /** Zones of names for several clusters (KEP-1645), such as `clusterset.local`. */
  readonly multicluster: readonly string[];
  /** Of records, and of answers that there is none. 0 to 3600. */
  readonly ttlSeconds: number;
  readonly pods: PodsMode;
  /** Namespaces to show; empty for all. */
  readonly namespaces: readonly string[];
  /** Shows namespaces whose labels match. */
  readonly namespaceLabels?: LabelSelector;
  /** Shows Services whose labels match. */
  readonly labels?: LabelSelector;
  /** Endpoints without a host name are called by their pod's name, where it is a label. */
  readonly endpointPodNames: boolean;
  /** Endpoints have no names, and headless Services neither. */
  readonly noEndpoints: boolean;
  /** A Service with an address but without a ready endpoint does not exist. */
  readonly ignoreEmptyService: boolean;
  /** `<zone>.pin._zone` and `<zone>.prefer._zone` below headless Services. */
  readonly zonal: boolean;
  /** Zones in which a name that isn't there is left to what comes next; `.` for all, empty for none. */
  readonly fallthrough: readonly string[];
  /** The server's own addresses: of its NS records, and to tell which Service it is behind. */
  readonly localAddresses: readonly Addr[];
}

/** The defaults of CoreDNS's kubernetes plugin, for the zones every cluster has. */
export const KUBERNETES_ZONE_DEFAULTS: KubernetesZoneOptions = {
  zones: ['cluster.local', 'in-addr.arpa', 'ip6.arpa'],
  multicluster: [],
  ttlSeconds: 5,
  pods: 'disabled',
  namespaces: [],
  endpointPodNames: false,
  noEndpoints: false,
  ignoreEmptyService: false,
  zonal: false,
  fallthrough: [],
  localAddresses: [],
};
