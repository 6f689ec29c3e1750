/**
 * The Kubernetes objects podwire reads, cut down to the fields it uses. Names, nesting and
 * meaning are those of the Kubernetes API v1 and discovery.k8s.io/v1; a field that is absent in
 * the source is absent here, so the defaults of the API are applied by those who read them.
 */

/** The transport protocols a Service port may have (core/v1 Protocol). */
export type Protocol = 'TCP' | 'UDP' | 'SCTP';

/** The part of ObjectMeta that podwire reads. */
export interface Metadata {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** core/v1 ServicePort. */
export interface ServicePort {
  /** Empty for the only port of a Service that names none. */
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
  readonly nodePort?: number;
}

/** Which endpoints traffic may go to (core/v1 ServiceInternalTrafficPolicy and its external twin). */
export type TrafficPolicy = 'Cluster' | 'Local';

/** core/v1 LoadBalancerIngress that has an address; those with a host name alone are left out. */
export interface LoadBalancerIngress {
  readonly ip: string;
  /** `Proxy`: packets come to the node's own address, so the address is none of the proxy's (KEP-1860). */
  readonly ipMode?: 'VIP' | 'Proxy';
}

/** core/v1 Service. */
export interface Service {
  readonly kind: 'Service';
  readonly metadata: Metadata;
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';
  /** Addresses in text form, `['None']` for a headless Service, empty while none is assigned. */
  readonly clusterIPs: readonly string[];
  readonly ports: readonly ServicePort[];
  readonly externalName?: string;
  readonly externalIPs?: readonly string[];
  readonly externalTrafficPolicy?: TrafficPolicy;
  readonly internalTrafficPolicy?: TrafficPolicy;
  /** Seconds a client stays with its endpoint, for sessionAffinity ClientIP; else absent. */
  readonly affinitySeconds?: number;
  /** CIDRs in text form. */
  readonly loadBalancerSourceRanges?: readonly string[];
  readonly healthCheckNodePort?: number;
  readonly loadBalancerIngress?: readonly LoadBalancerIngress[];
}

/** discovery.k8s.io/v1 Endpoint. Conditions keep "absent" apart from false, as the API does. */
export interface Endpoint {
  readonly addresses: readonly string[];
  readonly hostname?: string;
  readonly nodeName?: string;
  /** The topology zone the endpoint is in. */
  readonly zone?: string;
  /** Whom the controller means the endpoint for (KEP-2433, KEP-3015). */
  readonly hints?: {
    readonly forZones?: readonly string[];
    readonly forNodes?: readonly string[];
  };
  /** The name of the Pod behind it (targetRef), where it is one. */
  readonly podName?: string;
  readonly conditions: {
    readonly ready?: boolean;
    readonly serving?: boolean;
    readonly terminating?: boolean;
  };
}

/** discovery.k8s.io/v1 EndpointPort; a port without a number cannot be forwarded to. */
export interface EndpointPort {
  readonly name: string;
  readonly protocol: Protocol;
  readonly port?: number;
}

/** discovery.k8s.io/v1 EndpointSlice. */
export interface EndpointSlice {
  readonly kind: 'EndpointSlice';
  readonly metadata: Metadata;
  readonly addressType: 'IPv4' | 'IPv6' | 'FQDN';
  readonly endpoints: readonly Endpoint[];
  readonly ports: readonly EndpointPort[];
}

/** core/v1 Node. Its namespace is empty. */
export interface Node {
  readonly kind: 'Node';
  readonly metadata: Metadata;
  readonly deleting: boolean;
  readonly podCIDRs: readonly string[];
  readonly addresses: readonly { readonly type: string; readonly address: string }[];
  /** The taints' keys. */
  readonly taints: readonly string[];
}

/** networking.k8s.io/v1 ServiceCIDR: where cluster IPs come from. Its namespace is empty. */
export interface ServiceCidr {
  readonly kind: 'ServiceCIDR';
  readonly metadata: Metadata;
  readonly cidrs: readonly string[];
}

/** core/v1 Namespace. It has no namespace itself: `metadata.namespace` is empty. */
export interface Namespace {
  readonly kind: 'Namespace';
  readonly metadata: Metadata;
}

/** core/v1 Pod. */
export interface Pod {
  readonly kind: 'Pod';
  readonly metadata: Metadata;
  /** status.podIPs; empty before it has any, and once its phase says that it ended. */
  readonly podIPs: readonly string[];
}

/** multicluster.x-k8s.io/v1alpha1 ServiceImport: a Service that several clusters offer (KEP-1645). */
export interface ServiceImport {
  readonly kind: 'ServiceImport';
  readonly metadata: Metadata;
  readonly type: 'ClusterSetIP' | 'Headless';
  readonly ips: readonly string[];
  readonly ports: readonly ServicePort[];
}

/** Any object the store holds. */
export type ClusterObject =
  | Service
  | EndpointSlice
  | Namespace
  | Pod
  | ServiceImport
  | Node
  | ServiceCidr;

/** `kind/namespace/name`: one object's identity in the store. */
export function objectKey(object: ClusterObject): string {
  return `${object.kind}/${object.metadata.namespace}/${object.metadata.name}`;
}

/** The label by which an EndpointSlice names its Service (discovery.k8s.io/v1 LabelServiceName). */
export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

/** The label by which an EndpointSlice names its ServiceImport (KEP-1645). */
export const IMPORT_NAME_LABEL = 'multicluster.kubernetes.io/service-name';
/** The label by which an EndpointSlice names the cluster it is from (KEP-1645). */
export const SOURCE_CLUSTER_LABEL = 'multicluster.kubernetes.io/source-cluster';

/** What a node says of its overlay: by flannel's names (its pkg/subnet/kube), to mix with its nodes. */
export const FLANNEL = {
  manager: 'flannel.alpha.coreos.com/kube-subnet-manager',
  type: 'flannel.alpha.coreos.com/backend-type',
  4: {
    data: 'flannel.alpha.coreos.com/backend-data',
    endpoint: 'flannel.alpha.coreos.com/public-ip',
    overwrite: 'flannel.alpha.coreos.com/public-ip-overwrite',
  },
  6: {
    data: 'flannel.alpha.coreos.com/backend-v6-data',
    endpoint: 'flannel.alpha.coreos.com/public-ipv6',
    overwrite: 'flannel.alpha.coreos.com/public-ipv6-overwrite',
  },
} as const;

/** The annotations of a Node that are read. */
export const NODE_ANNOTATIONS: readonly string[] = [
  FLANNEL.manager,
  FLANNEL.type,
  ...Object.values(FLANNEL[4]),
  ...Object.values(FLANNEL[6]),
];

/** Whether new traffic may go to the endpoint: `ready` true or absent (EndpointConditions). */
export function isReady(endpoint: Endpoint): boolean {
  return endpoint.conditions.ready ?? true;
}

/** Whether the Service is headless: DNS names its endpoints and no proxy touches it. */
export function isHeadless(service: Service): boolean {
  return service.type !== 'ExternalName' && service.clusterIPs[0] === 'None';
}
