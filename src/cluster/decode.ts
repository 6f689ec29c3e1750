import * as v from 'valibot';
import { PodwireError } from '../errors.ts';
import { tryParseAddrLenient } from '../ipaddr/parse-addr.ts';
import type {
  ClusterObject,
  Endpoint,
  EndpointSlice,
  Node,
  Pod,
  Service,
  ServiceCidr,
} from './objects.ts';
import { plainEndpoints } from './plain-endpoints.ts';
import {
  emptySliceSchema,
  endpointSliceSchema,
  namespaceSchema,
  nodeSchema,
  podSchema,
  serviceCidrSchema,
  serviceImportSchema,
  serviceSchema,
} from './schema.ts';

/** Steps from an object's root to a field: names, and numbers for list items. */
export type FieldPath = readonly (string | number)[];

/** A field that is not what the API says. */
export class FieldError extends PodwireError {
  readonly path: FieldPath;
  /** What is wrong there, without the place. */
  readonly problem: string;

  constructor(path: FieldPath, problem: string) {
    super('ERR_FIELD', `${formatPath(path)}: ${problem}`);
    this.path = path;
    this.problem = problem;
  }
}

/** `spec.ports[0].port`. */
export function formatPath(path: FieldPath): string {
  const text = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('');
  return text.startsWith('.') ? text.slice(1) : text || 'document';
}

/**
 * Reads one Kubernetes object. Gives undefined for a kind podwire has no use for. Throws
 * FieldError for the first field that is wrong.
 */
export function decodeObject(value: unknown): ClusterObject | undefined {
  const head = check(
    v.object(
      { apiVersion: v.string('expected a string'), kind: v.string('expected a string') },
      'expected an object with apiVersion and kind',
    ),
    value,
  );
  switch (`${head.apiVersion} ${head.kind}`) {
    case 'v1 Service':
      return decodeService(value);
    case 'discovery.k8s.io/v1 EndpointSlice':
      return decodeEndpointSlice(value);
    case 'v1 Node':
      return decodeNode(value);
    case 'networking.k8s.io/v1 ServiceCIDR':
      return decodeServiceCidr(value);
    case 'v1 Namespace': {
      const { metadata } = check(namespaceSchema, value);
      return { kind: 'Namespace', metadata: { ...metadata, namespace: '' } };
    }
    case 'v1 Pod':
      return decodePod(value);
    case 'multicluster.x-k8s.io/v1alpha1 ServiceImport': {
      const { metadata, spec } = check(serviceImportSchema, value);
      const ports = spec.ports.map(({ name, ...port }) => ({ ...port, name: name ?? '' }));
      return { kind: 'ServiceImport', metadata, type: spec.type, ips: spec.ips, ports };
    }
    default:
      return undefined;
  }
}

function decodeService(value: unknown): Service {
  const { metadata, spec, status } = check(serviceSchema, value);
  const clusterIPs = spec.clusterIPs?.slice() ?? (spec.clusterIP ? [spec.clusterIP] : []);
  if (clusterIPs.length > 1 && clusterIPs.includes('None')) {
    throw new FieldError(['spec', 'clusterIPs'], 'expected "None" to stand alone');
  }
  const names = spec.ports.map((port) => port.name ?? '');
  const taken = new Set<string>();
  names.forEach((name, index) => {
    if (names.length > 1 && name === '') {
      throw new FieldError(['spec', 'ports', index, 'name'], 'expected a name on each of several');
    }
    if (taken.has(name)) {
      throw new FieldError(['spec', 'ports', index, 'name'], `"${name}" is taken by another port`);
    }
    taken.add(name);
  });
  return {
    kind: 'Service',
    metadata,
    type: spec.type,
    clusterIPs,
    ports: spec.ports.map(({ name, nodePort, ...port }) => ({
      ...port,
      name: name ?? '',
      ...(nodePort ? { nodePort } : {}),
    })),
    ...(spec.externalName === undefined ? {} : { externalName: spec.externalName }),
    ...decodeTraffic(spec, status),
  };
}

/** kube-proxy's default for clients that stay with their endpoint: three hours. */
const AFFINITY_DEFAULT_SECONDS = 10_800;

/** How a Service wants its traffic sent. What is at its default is left out. */
function decodeTraffic(
  spec: v.InferOutput<typeof serviceSchema>['spec'],
  status: v.InferOutput<typeof serviceSchema>['status'],
): Partial<Service> {
  const sticky = spec.sessionAffinity === 'ClientIP';
  const ingress = (status?.loadBalancer?.ingress ?? []).flatMap(({ ip, ipMode }) =>
    ip === undefined ? [] : [{ ip, ...(ipMode === undefined ? {} : { ipMode }) }],
  );
  return {
    ...(spec.externalIPs?.length ? { externalIPs: spec.externalIPs } : {}),
    ...(spec.externalTrafficPolicy === 'Local' ? { externalTrafficPolicy: 'Local' } : {}),
    ...(spec.internalTrafficPolicy === 'Local' ? { internalTrafficPolicy: 'Local' } : {}),
    ...(sticky
      ? {
          affinitySeconds:
            spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? AFFINITY_DEFAULT_SECONDS,
        }
      : {}),
    ...(spec.loadBalancerSourceRanges?.length
      ? { loadBalancerSourceRanges: spec.loadBalancerSourceRanges }
      : {}),
    ...(spec.healthCheckNodePort ? { healthCheckNodePort: spec.healthCheckNodePort } : {}),
    ...(ingress.length > 0 ? { loadBalancerIngress: ingress } : {}),
  };
}

function decodeNode(value: unknown): Node {
  const { metadata, spec, status } = check(nodeSchema, value);
  const { name, labels, annotations, deletionTimestamp } = metadata;
  return {
    kind: 'Node',
    metadata: { name, namespace: '', labels, annotations },
    deleting: deletionTimestamp != null,
    podCIDRs: spec.podCIDRs ?? (spec.podCIDR ? [spec.podCIDR] : []),
    addresses: status.addresses ?? [],
    taints: (spec.taints ?? []).map(({ key }) => key),
  };
}

function decodeServiceCidr(value: unknown): ServiceCidr {
  const { metadata, spec } = check(serviceCidrSchema, value);
  return {
    kind: 'ServiceCIDR',
    metadata: { ...metadata, namespace: '' },
    cidrs: spec.cidrs ?? [],
  };
}

/** Of these phases a Pod does not come back, and its addresses are another's (core/v1 PodPhase). */
const ENDED_PHASES = ['Succeeded', 'Failed', 'Unknown'];

function decodePod(value: unknown): Pod {
  const { metadata, status } = check(podSchema, value);
  const { deletionTimestamp, ...rest } = metadata;
  const isGone = deletionTimestamp !== undefined || ENDED_PHASES.includes(status.phase ?? '');
  const all = status.podIPs?.map(({ ip }) => ip) ?? (status.podIP ? [status.podIP] : []);
  return { kind: 'Pod', metadata: rest, podIPs: isGone ? [] : all };
}

function decodeEndpointSlice(value: unknown): EndpointSlice {
  const plain = plainEndpoints(value);
  if (plain !== undefined) return sliceOf(check(emptySliceSchema, value), plain);
  const slice = check(endpointSliceSchema, value);
  const { addressType } = slice;
  const family = addressType === 'IPv4' ? 4 : 6;
  const endpoints = (slice.endpoints ?? []).map(
    ({ addresses, conditions, hints, ...endpoint }, index) => {
      addresses.forEach((address, at) => {
        if (addressType === 'FQDN' || tryParseAddrLenient(address)?.family === family) return;
        const path = ['endpoints', index, 'addresses', at];
        throw new FieldError(path, `expected an ${addressType} address, got "${address}"`);
      });
      const { ready, serving, terminating } = conditions;
      return {
        addresses,
        ...decodePlace(endpoint, hints),
        conditions: {
          ...(ready == null ? {} : { ready }),
          ...(serving == null ? {} : { serving }),
          ...(terminating == null ? {} : { terminating }),
        },
      };
    },
  );
  return sliceOf(slice, endpoints);
}

function sliceOf(
  { metadata, addressType, ports }: v.InferOutput<typeof emptySliceSchema>,
  endpoints: readonly Endpoint[],
): EndpointSlice {
  return {
    kind: 'EndpointSlice',
    metadata,
    addressType,
    endpoints,
    ports: (ports ?? []).map(({ name, protocol, port }) => ({
      name: name ?? '',
      protocol,
      ...(port == null ? {} : { port }),
    })),
  };
}

type EndpointSchema = NonNullable<v.InferOutput<typeof endpointSliceSchema>['endpoints']>[number];

/** Where an endpoint is, and whom it is meant for. */
function decodePlace(
  {
    hostname,
    nodeName,
    zone,
    targetRef,
  }: Omit<EndpointSchema, 'addresses' | 'conditions' | 'hints'>,
  hints: EndpointSchema['hints'],
): Omit<Endpoint, 'addresses' | 'conditions'> {
  const names = (items: readonly { name: string }[]) => items.map(({ name }) => name);
  return {
    ...(hostname === undefined ? {} : { hostname }),
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(zone === undefined ? {} : { zone }),
    ...(targetRef?.kind === 'Pod' && targetRef.name !== undefined
      ? { podName: targetRef.name }
      : {}),
    ...(hints == null
      ? {}
      : {
          hints: {
            ...(hints.forZones?.length ? { forZones: names(hints.forZones) } : {}),
            ...(hints.forNodes?.length ? { forNodes: names(hints.forNodes) } : {}),
          },
        }),
  };
}

const SHOWN_CHARACTERS_MAX = 80;

/** What `value` is by the schema. Throws FieldError for the first field that is wrong. */
export function check<T extends v.GenericSchema>(schema: T, value: unknown): v.InferOutput<T> {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = (issue.path ?? []).map(({ key }) => (typeof key === 'number' ? key : String(key)));
  const got = (JSON.stringify(issue.input) ?? 'nothing').slice(0, SHOWN_CHARACTERS_MAX);
  throw new FieldError(path, `${issue.message}, got ${got}`);
}
