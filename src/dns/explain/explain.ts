import { type EndpointSlice, isHeadless, isReady, type Service } from '../../cluster/objects.ts';
import type { ClusterState } from '../../cluster/store.ts';
import { PodwireError } from '../../errors.ts';
import { Addr } from '../../ipaddr/addr.ts';
import { parseReverseName } from '../../ipaddr/reverse.ts';
import { ClusterZone } from '../cluster-zone.ts';
import { Answerer, OUTCOME, TCP_BYTES_MAX, zoneOf } from '../server/answer.ts';
import type { Table } from '../table/table.ts';
import { CLASS_IN, HEADER_BYTES, rcodeName, TYPE } from '../wire/constants.ts';
import { encodeName, formatName } from '../wire/name.ts';
import { putU16, u16 } from '../wire/octets.ts';
import { skipName } from '../wire/wire-name.ts';
import type { KubernetesZoneOptions } from '../zone/options.ts';
import { matchesSelector } from '../zone/selector.ts';

/** A type there is no name for. */
export class QueryTypeError extends PodwireError {
  constructor(type: string) {
    const known = Object.keys(TYPE).join(', ');
    super('ERR_DNS_TYPE', `type: expected one of ${known}, or TYPE and a number, got "${type}"`);
  }
}

/** Why a name gives what it gives. */
export interface NameExplanation {
  readonly name: string;
  readonly type: string;
  /** As the server would give it. */
  readonly rcode: string;
  readonly answers: readonly string[];
  /** The zone that answers; undefined when none does. */
  readonly zone: string | undefined;
  /** `Service default/web` and so on, with what matters of each. */
  readonly objects: readonly string[];
  /** What decides, in a sentence. */
  readonly rule: string;
  /** Whether somebody else is asked for the answer, and not only for where an ExternalName leads. */
  readonly isForwarded: boolean;
  /** Who is asked instead, or afterwards; undefined when nobody is. */
  readonly upstream: string | undefined;
}

/** What is known besides the objects. */
export interface ExplainContext {
  /** Who answers what the zones leave to others. */
  readonly upstream?: string | undefined;
  /** A table that has the objects already; without it one is made. */
  readonly table?: Table | undefined;
}

/**
 * Explains the answer to a name and type from a cluster's objects. Throws NameError and QueryTypeError.
 */
export function explainName(
  state: ClusterState,
  options: KubernetesZoneOptions,
  name: string,
  type: string,
  { upstream, table = tableOf(state, options) }: ExplainContext = {},
): NameExplanation {
  const request = queryFor(name, typeNumber(type));
  const reply = new Uint8Array(TCP_BYTES_MAX);
  const answerer = new Answerer();
  const length = answerer.answer(table, request, request.length, reply, true);
  const zone = zoneOf(table, answerer.request.name);
  const text = name.replace(/\.$/, '').toLowerCase();
  const zoneName = zone === undefined ? undefined : formatName(zone.name);
  const relative =
    zoneName === undefined || text === zoneName ? '' : text.slice(0, -zoneName.length - 1);
  const found =
    zone === undefined
      ? { objects: [], rule: 'the name is in none of the zones' }
      : zone.kind === 'reverse4' || zone.kind === 'reverse6'
        ? explainReverse(state, text)
        : explainForward(state, options, relative, zone.kind === 'clusterset');
  const { outcome } = answerer;
  return {
    name: text,
    type: type.toUpperCase(),
    rcode: rcodeName(answerer.rcode),
    answers: answersOf(reply.subarray(0, length)),
    zone: zoneName,
    ...found,
    isForwarded:
      upstream !== undefined && outcome !== OUTCOME.ANSWERED && outcome !== OUTCOME.EXTERNAL,
    upstream: outcome === OUTCOME.ANSWERED ? undefined : upstreamOf(outcome, upstream),
  };
}

function tableOf(state: ClusterState, options: KubernetesZoneOptions): Table {
  const cluster = new ClusterZone(options);
  cluster.load(state);
  cluster.setSynced(true);
  return cluster.table;
}

function upstreamOf(outcome: number, upstream: string | undefined): string {
  if (upstream === undefined) return 'nobody: there is no forwarding';
  switch (outcome) {
    case OUTCOME.EXTERNAL:
      return `${upstream}, for the addresses of where it leads`;
    case OUTCOME.FALLTHROUGH:
      return `${upstream}, for the zone falls through`;
    default:
      return upstream;
  }
}

interface Found {
  readonly objects: readonly string[];
  readonly rule: string;
}

function explainForward(
  state: ClusterState,
  options: KubernetesZoneOptions,
  relative: string,
  isClusterSet: boolean,
): Found {
  const labels = relative === '' ? [] : relative.split('.');
  if (labels.length === 0) return { objects: [], rule: 'the zone itself: SOA and NS' };
  const kind = labels.at(-1);
  if (kind === 'dns-version') return { objects: [], rule: 'the version of the schema' };
  if (kind === 'dns') return { objects: [], rule: "the server's own addresses" };
  const namespace = labels.at(-2);
  if (kind === 'pod') return explainPod(state, options, labels, namespace);
  if (kind !== 'svc') {
    return { objects: [], rule: 'names stand below svc and pod, and this one does not' };
  }
  if (namespace === undefined) return { objects: [], rule: 'what is below has names' };
  const hidden = hiddenNamespace(state, options, namespace);
  const name = labels.at(-3);
  if (name === undefined) {
    const exists = state.namespaces.has(namespace) ? [`Namespace ${namespace}`] : [];
    return { objects: exists, rule: hidden ?? 'a namespace has no records itself' };
  }
  if (hidden !== undefined) return { objects: [], rule: hidden };
  const key = `${namespace}/${name}`;
  if (isClusterSet) {
    const imported = state.imports.get(key);
    if (imported === undefined) return { objects: [], rule: `there is no ServiceImport ${key}` };
    const slices = state.importSlicesOf(namespace, name).map(describeSlice);
    const rule = `a Service of several clusters, ${imported.type}`;
    return { objects: [`ServiceImport ${key}`, ...slices], rule };
  }
  const service = state.services.get(key);
  if (service === undefined) return { objects: [], rule: `there is no Service ${key}` };
  const slices = state.slicesOf(namespace, name);
  return {
    objects: [describeService(service), ...slices.map(describeSlice)],
    rule: ruleOf(service, slices, options, labels.slice(0, -3)),
  };
}

function ruleOf(
  service: Service,
  slices: readonly EndpointSlice[],
  options: KubernetesZoneOptions,
  before: readonly string[],
): string {
  const { labels } = options;
  if (labels !== undefined && !matchesSelector(labels, service.metadata.labels)) {
    return 'the labels of the Service are not those to show (labels)';
  }
  if (service.type === 'ExternalName') {
    if (before.length > 0) return 'an ExternalName has no names below it';
    return `ExternalName: it leads to ${service.externalName ?? 'nothing'}`;
  }
  const ready = slices.flatMap(({ endpoints }) => endpoints.filter(isReady)).length;
  if (before[0]?.startsWith('_') && before.length === 2) {
    return `SRV of port ${before[0].slice(1)} over ${before[1]?.slice(1)}, where the Service has it`;
  }
  if (before.includes('_zone')) return 'endpoints by topology zone (zonal)';
  if (before.length === 1 && before[0]?.startsWith('_')) return 'ports have names below it';
  if (before.length > 0) {
    return 'one endpoint: by its host name, its pod (endpoint_pod_names) or its address with dashes';
  }
  if (isHeadless(service)) {
    return options.noEndpoints
      ? 'headless, and endpoints are not looked at (noendpoints)'
      : `headless: the addresses of its ${ready} ready endpoints${ready === 0 ? '; without any it does not exist' : ''}`;
  }
  if (options.ignoreEmptyService && ready === 0) {
    return 'no endpoint is ready, so it does not exist (ignore empty_service)';
  }
  return service.clusterIPs.length === 0
    ? 'it has no cluster IP yet'
    : `its cluster IPs; ${ready} ready endpoints stand behind them`;
}

function explainPod(
  state: ClusterState,
  options: KubernetesZoneOptions,
  labels: readonly string[],
  namespace: string | undefined,
): Found {
  const { pods } = options;
  if (pods === 'disabled') return { objects: [], rule: 'pods have no names (pods disabled)' };
  if (pods === 'insecure') {
    const rule = 'the address in the name is taken at its word, in a namespace (pods insecure)';
    return { objects: namespace === undefined ? [] : [`Namespace ${namespace}`], rule };
  }
  const address = (labels[0] ?? '').replaceAll('-', '.');
  const objects = [...state.pods.values()]
    .filter(({ metadata }) => metadata.namespace === namespace)
    .filter(({ podIPs }) => podIPs.some((ip) => ip.replaceAll(':', '.') === address))
    .map(({ metadata }) => `Pod ${metadata.namespace}/${metadata.name}`);
  return { objects, rule: 'a pod of the namespace has the address (pods verified)' };
}

function explainReverse(state: ClusterState, name: string): Found {
  const addr = parseReverseName(`${name}.`);
  if (addr === undefined)
    return { objects: [], rule: 'no whole address: it exists if one is below' };
  const text = `${addr}`;
  const owners = [...state.services.values()].filter((each) => each.clusterIPs.includes(text));
  if (owners.length > 0) {
    const rule = `${text} is a cluster IP: the Service's name, and no endpoint's`;
    return { objects: owners.map(describeService), rule };
  }
  const slices = [...state.services.values()]
    .flatMap(({ metadata }) => state.slicesOf(metadata.namespace, metadata.name))
    .filter(({ endpoints }) => endpoints.some(({ addresses }) => addresses.includes(text)));
  const rule =
    slices.length > 0
      ? `${text} is the address of endpoints: the name of each that is ready`
      : `nobody has the address ${text}`;
  return { objects: slices.map(describeSlice), rule };
}

function hiddenNamespace(
  state: ClusterState,
  { namespaces, namespaceLabels }: KubernetesZoneOptions,
  namespace: string,
): string | undefined {
  if (namespaces.length > 0 && !namespaces.includes(namespace)) {
    return `namespace ${namespace} is not among those shown (namespaces)`;
  }
  if (namespaceLabels === undefined) return undefined;
  const labels = state.namespaces.get(namespace)?.metadata.labels;
  if (labels !== undefined && matchesSelector(namespaceLabels, labels)) return undefined;
  return `the labels of namespace ${namespace} are not those to show (namespace_labels)`;
}

function describeService({ metadata, type, clusterIPs, externalName }: Service): string {
  const what = type === 'ExternalName' ? (externalName ?? '') : clusterIPs.join(', ');
  return `Service ${metadata.namespace}/${metadata.name} (${type}: ${what})`;
}

function describeSlice({ metadata, endpoints }: EndpointSlice): string {
  const ready = endpoints.filter(isReady).length;
  const count = `${ready} of ${endpoints.length} endpoints ready`;
  return `EndpointSlice ${metadata.namespace}/${metadata.name} (${count})`;
}

function typeNumber(type: string): number {
  const known = Object.entries(TYPE).find(([name]) => name === type.toUpperCase())?.[1];
  const number = known ?? Number(/^TYPE(\d{1,5})$/i.exec(type)?.[1] ?? Number.NaN);
  if (!(number <= 0xffff)) throw new QueryTypeError(type);
  return number;
}

function queryFor(name: string, type: number): Uint8Array {
  const wire = encodeName(name);
  const request = new Uint8Array(HEADER_BYTES + wire.length + 4);
  putU16(request, 4, 1);
  request.set(wire, HEADER_BYTES);
  putU16(request, HEADER_BYTES + wire.length, type);
  putU16(request, HEADER_BYTES + wire.length + 2, CLASS_IN);
  return request;
}

/** The answers as `type data`; names in data are not compressed in our own answers. */
function answersOf(reply: Uint8Array): string[] {
  const texts: string[] = [];
  let at = skipName(reply, HEADER_BYTES, reply.length) + 4;
  for (let left = u16(reply, 6); left > 0; left -= 1) {
    const fixed = skipName(reply, at, reply.length);
    const end = fixed + 10 + u16(reply, fixed + 8);
    const type = u16(reply, fixed);
    const name = Object.entries(TYPE).find(([, number]) => number === type)?.[0] ?? `TYPE${type}`;
    texts.push(`${name} ${dataOf(reply.subarray(fixed + 10, end), type)}`);
    at = end;
  }
  return texts;
}

function dataOf(data: Uint8Array, type: number): string {
  switch (type) {
    case TYPE.A:
    case TYPE.AAAA:
      return `${Addr.fromBytes(data)}`;
    case TYPE.SRV:
      return `${u16(data, 0)} ${u16(data, 2)} ${u16(data, 4)} ${formatName(data, 6)}`;
    case TYPE.CNAME:
    case TYPE.PTR:
    case TYPE.NS:
      return formatName(data);
    case TYPE.TXT:
      return JSON.stringify(new TextDecoder().decode(data.subarray(1)));
    default:
      return `\\# ${data.length} ${data.toHex()}`;
  }
}
