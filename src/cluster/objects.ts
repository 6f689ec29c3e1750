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

/** core/v1 Service. */
export interface Service {
  readonly kind: 'Service';
  readonly metadata: Metadata;
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';
  /** Addresses in text form, `['None']` for a headless Service, empty while none is assigned. */
  readonly clusterIPs: readonly string[];
  readonly ports: readonly ServicePort[];
  readonly externalName?: string;
}

/** discovery.k8s.io/v1 Endpoint. Conditions keep "absent" apart from false, as the API does. */
export interface Endpoint {
  readonly addresses: readonly string[];
  readonly hostname?: string;
  readonly nodeName?: string;
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

/** Any object the store holds. */
export type ClusterObject = Service | EndpointSlice;

/** `kind/namespace/name`: one object's identity in the store. */
export function objectKey(object: ClusterObject): string {
  return `${object.kind}/${object.metadata.namespace}/${object.metadata.name}`;
}

/** The label by which an EndpointSlice names its Service (discovery.k8s.io/v1 LabelServiceName). */
export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

/** Whether new traffic may go to the endpoint: `ready` true or absent (EndpointConditions). */
export function isReady(endpoint: Endpoint): boolean {
  return endpoint.conditions.ready ?? true;
}

/** Whether the Service is headless: DNS names its endpoints and no proxy touches it. */
export function isHeadless(service: Service): boolean {
  return service.type !== 'ExternalName' && service.clusterIPs[0] === 'None';
}
