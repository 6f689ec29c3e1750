import * as v from 'valibot';
import { PodwireError } from '../errors.ts';
import { tryParseAddr } from '../ipaddr/parse-addr.ts';
import type { ClusterObject, EndpointSlice, Pod, Service } from './objects.ts';
import {
  endpointSliceSchema,
  namespaceSchema,
  podSchema,
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
  const { metadata, spec } = check(serviceSchema, value);
  const clusterIPs = spec.clusterIPs ?? (spec.clusterIP ? [spec.clusterIP] : []);
  if (clusterIPs.length > 1 && clusterIPs.includes('None')) {
    throw new FieldError(['spec', 'clusterIPs'], 'expected "None" to stand alone');
  }
  const names = spec.ports.map((port) => port.name ?? '');
  names.forEach((name, index) => {
    if (names.length > 1 && name === '') {
      throw new FieldError(['spec', 'ports', index, 'name'], 'expected a name on each of several');
    }
    if (names.indexOf(name) !== index) {
      throw new FieldError(['spec', 'ports', index, 'name'], `"${name}" is taken by another port`);
    }
  });
  return {
    kind: 'Service',
    metadata,
    type: spec.type,
    clusterIPs,
    ports: spec.ports.map(({ name, nodePort, ...port }) => ({
      ...port,
      name: name ?? '',
      ...(nodePort === undefined ? {} : { nodePort }),
    })),
    ...(spec.externalName === undefined ? {} : { externalName: spec.externalName }),
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
  const { metadata, addressType, endpoints, ports } = check(endpointSliceSchema, value);
  const family = addressType === 'IPv4' ? 4 : 6;
  return {
    kind: 'EndpointSlice',
    metadata,
    addressType,
    endpoints: (endpoints ?? []).map((endpoint, index) => {
      const { addresses, hostname, nodeName, zone, targetRef, conditions } = endpoint;
      addresses.forEach((address, at) => {
        if (addressType === 'FQDN' || tryParseAddr(address)?.family === family) return;
        const path = ['endpoints', index, 'addresses', at];
        throw new FieldError(path, `expected an ${addressType} address, got "${address}"`);
      });
      const { ready, serving, terminating } = conditions;
      return {
        addresses,
        ...(hostname === undefined ? {} : { hostname }),
        ...(nodeName === undefined ? {} : { nodeName }),
        ...(zone === undefined ? {} : { zone }),
        ...(targetRef?.kind === 'Pod' && targetRef.name !== undefined
          ? { podName: targetRef.name }
          : {}),
        conditions: {
          ...(ready == null ? {} : { ready }),
          ...(serving == null ? {} : { serving }),
          ...(terminating == null ? {} : { terminating }),
        },
      };
    }),
    ports: (ports ?? []).map(({ name, protocol, port }) => ({
      name: name ?? '',
      protocol,
      ...(port == null ? {} : { port }),
    })),
  };
}

const SHOWN_CHARACTERS_MAX = 80;

function check<T extends v.GenericSchema>(schema: T, value: unknown): v.InferOutput<T> {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = (issue.path ?? []).map(({ key }) => (typeof key === 'number' ? key : String(key)));
  const got = (JSON.stringify(issue.input) ?? 'nothing').slice(0, SHOWN_CHARACTERS_MAX);
  throw new FieldError(path, `${issue.message}, got ${got}`);
}
