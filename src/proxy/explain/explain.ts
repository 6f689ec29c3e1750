import type { EndpointSlice, Service, ServicePort } from '../../cluster/objects.ts';
import type { ClusterState } from '../../cluster/store.ts';
import type { Addr } from '../../ipaddr/addr.ts';
import { tryParseAddrLenient } from '../../ipaddr/parse-addr.ts';
import { type Choice, clusterChoice, localChoice } from '../model/choice.ts';
import { candidatesOf, formatEndpoint } from '../model/endpoint.ts';
import { isServed, portName, type ServiceRoute } from '../model/route.ts';
import { detects, type ModelSettings } from '../model/settings.ts';
import { RouteTable } from '../model/table.ts';
import { type Packet, type Trace, trace } from '../model/trace.ts';
import type { NodeRules } from '../node.ts';

/** More endpoints than this are counted and not named. */
const NAMED_MAX = 10;

/** One thing that has a part in what happens: an object or a rule, and what it says. */
export interface ExplainedStep {
  /** `Service default/web`, `EndpointSlice default/web-4`, `masquerade`. */
  readonly what: string;
  readonly says: string;
}

/** What happens to a packet, and why. */
export interface PacketExplanation {
  readonly packet: {
    readonly source: string;
    readonly destination: string;
    readonly protocol: string;
    readonly port: number;
    readonly from: Packet['origin'];
  };
  readonly verdict: Trace['verdict'];
  /** The Service and its port, `default/web:http`; undefined when none is concerned. */
  readonly service: string | undefined;
  /** Where it may be sent, each as likely. */
  readonly endpoints: readonly string[];
  /** Whether the endpoint sees an address of this node: always, only where it is the sender, or never. */
  readonly masquerade: 'yes' | 'when the endpoint is the sender' | 'no';
  readonly steps: readonly ExplainedStep[];
}

/** What the explanation is made from: what the agent has. */
export interface ExplainOptions {
  readonly settings: ModelSettings;
  readonly node: NodeRules;
  /**
   * Whether the rules know cluster IPs as such, and not only ports of Services: then other ports of one are
   * refused, and addresses of the Service range that nobody has are dropped.
   */
  readonly knowsClusterIPs: boolean;
  /** Whether an address is one of the node's own, loopback aside. */
  readonly isLocal: (addr: Addr) => boolean;
}

/** An explanation, and the route it is about. */
export interface Explained {
  readonly explanation: PacketExplanation;
  readonly trace: Trace;
  /** All ways into the port of the Service that gets the packet. */
  readonly routes: readonly ServiceRoute[];
}

/** Who sends from an address, as far as the address tells. */
export function originOf(source: Addr, { settings, isLocal }: ExplainOptions): Packet['origin'] {
  if (isLocal(source)) return 'host';
  const { detector } = settings;
  const isPod =
    detector.kind === 'prefixes' && detector.prefixes.some((prefix) => prefix.contains(source));
  return isPod ? 'pod' : 'outside';
}

/** Explains a packet from the cluster's objects. Pure: no kernel is asked. */
export function explainPacket(
  state: ClusterState,
  packet: Packet,
  options: ExplainOptions,
): Explained {
  const { settings, node, isLocal, knowsClusterIPs } = options;
  const table = new RouteTable(settings);
  table.update(state, [...state.services.keys()]);
  // Where pods can't be told from others, they are others.
  const { family } = packet.source;
  const isUntold = packet.origin === 'pod' && !detects(settings, family);
  const origin = isUntold ? 'outside' : packet.origin;
  const seen = trace(
    { ...packet, origin },
    {
      route: (key) => table.get(key),
      isNodePortAddr: (addr) =>
        node.nodePortAddrs === 'all'
          ? isLocal(addr)
          : node.nodePortAddrs.some((each) => each.equals(addr)),
      isClusterIP: (addr) =>
        knowsClusterIPs && servicesAt(state, addr).some((service) => isServed(service, settings)),
      serviceCidrs: knowsClusterIPs ? node.serviceCidrs : [],
    },
  );
  const steps: ExplainedStep[] = [{ what: 'packet', says: saysPacket(packet, options, isUntold) }];
  const { route } = seen;
  if (route === undefined) steps.push(...nobody(state, packet.destination, settings, seen));
  else steps.push(...somebody(state, route, { ...packet, origin }, settings, seen));
  for (const { winner, loser } of table.conflicts()) {
    if (winner !== route?.name) continue;
    steps.push({ what: 'conflict', says: `${loser} wants the same, and comes later by name` });
  }
  if (route === undefined && !knowsClusterIPs) {
    steps.push({
      what: 'mode',
      says: 'has rules for ports of Services alone, none for other ports',
    });
  }
  steps.push({ what: 'verdict', says: VERDICT[seen.verdict] });
  const isOfPort = (each: ServiceRoute) =>
    each.name === route?.name && each.protocol === route.protocol && each.family === route.family;
  return {
    trace: seen,
    routes: [...table.routes()].map(([, each]) => each).filter(isOfPort),
    explanation: {
      packet: {
        source: `${packet.source}`,
        destination: `${packet.destination}`,
        protocol: packet.protocol,
        port: packet.port,
        from: packet.origin,
      },
      verdict: seen.verdict,
      service: route?.name,
      endpoints: seen.endpoints.map(formatEndpoint),
      masquerade: masqueradeOf(seen),
      steps,
    },
  };
}

const VERDICT: Readonly<Record<Trace['verdict'], string>> = {
  forward: 'forward: its destination becomes one of the endpoints',
  reject: 'reject: a TCP reset, or an ICMP error that the port is not there',
  drop: 'drop: no answer at all',
  pass: 'pass: no rule of ours applies, the packet goes on as it is',
};

function masqueradeOf({ masquerade, hairpin }: Trace): PacketExplanation['masquerade'] {
  if (masquerade) return 'yes';
  return hairpin.length > 0 ? 'when the endpoint is the sender' : 'no';
}

function saysPacket(
  { source, origin }: Packet,
  { settings: { detector } }: ExplainOptions,
  isUntold: boolean,
): string {
  if (isUntold) return 'from a pod, which nothing tells from others here (no local detector)';
  if (origin === 'host') return `from ${source}, sent by the node itself`;
  if (origin === 'outside') return `from ${source}, neither this node nor one of its pods`;
  switch (detector.kind) {
    case 'prefixes': {
      const prefix = detector.prefixes.find((each) => each.contains(source));
      return prefix === undefined
        ? `taken as from a pod, though ${source} is in none of ${detector.prefixes.join(', ')}`
        : `from a pod of this node, for ${source} is in ${prefix}`;
    }
    case 'bridge':
      return `from a pod of this node, on bridge ${detector.name}`;
    case 'interface-prefix':
      return `from a pod of this node, on an interface ${detector.prefix}...`;
    case 'none':
      return 'from a pod';
  }
}

/** The Services that name an address as one of theirs. */
function servicesAt(state: ClusterState, addr: Addr): Service[] {
  return [...state.services.values()].filter(({ clusterIPs }) => hasAddr(clusterIPs, addr));
}

function hasAddr(texts: readonly string[] | undefined, addr: Addr): boolean {
  return (texts ?? []).some((text) => tryParseAddrLenient(text)?.equals(addr) === true);
}

/** Why no Service gets the packet, though some may name its destination. */
function nobody(
  state: ClusterState,
  destination: Addr,
  settings: ModelSettings,
  { steps }: Trace,
): ExplainedStep[] {
  const near: ExplainedStep[] = [];
  for (const service of state.services.values()) {
    const { clusterIPs, externalIPs, loadBalancerIngress = [] } = service;
    const ingress = loadBalancerIngress.filter(({ ip }) => hasAddr([ip], destination));
    const isExternal = hasAddr(externalIPs, destination);
    if (!hasAddr(clusterIPs, destination) && !isExternal && ingress.length === 0) continue;
    near.push({ what: nameOf(service), says: whyNot(service, settings, isExternal, ingress) });
  }
  return [...near, ...steps.map((says) => ({ what: 'rule', says }))];
}

function whyNot(
  service: Service,
  settings: ModelSettings,
  isExternal: boolean,
  ingress: NonNullable<Service['loadBalancerIngress']>,
): string {
  if (!isServed(service, settings)) {
    const labels = Object.keys(service.metadata.labels).filter((label) =>
      label.startsWith('service.kubernetes.io/'),
    );
    const by = labels.length === 0 ? `its type ${service.type}` : `its label ${labels.join(', ')}`;
    return `is not this proxy's to serve, by ${by}`;
  }
  if (ingress.length > 0 && ingress.every(({ ipMode }) => ipMode === 'Proxy')) {
    return 'has the address as ipMode Proxy: packets shall come through the load balancer itself';
  }
  if (isExternal && !settings.externalIPs) return 'has it as an external IP, which are not served';
  const ports = service.ports.map(({ protocol, port }) => `${port}/${protocol}`).join(', ');
  return `has the address, with ${ports === '' ? 'no port' : ports}`;
}

function nameOf({ metadata }: Service): string {
  return `Service ${metadata.namespace}/${metadata.name}`;
}

/** The Service, its port, its slices, and what they lead to. */
function somebody(
  state: ClusterState,
  route: ServiceRoute,
  packet: Packet,
  settings: ModelSettings,
  seen: Trace,
): ExplainedStep[] {
  const service = serviceOf(state, route);
  const port = service?.ports.find((each) => portName(service, each) === route.name);
  if (service === undefined || port === undefined) return [];
  const { namespace, name } = service.metadata;
  const slices = state.slicesOf(namespace, name);
  const way = route.ways[packet.origin];
  const isLocal = way.pool === route.ways.outside.pool && keepsLocal(service, route);
  const candidates = candidatesOf(port, route.family, slices, settings.nodeName);
  const choice = isLocal ? localChoice(candidates) : clusterChoice(candidates, settings);
  return [
    { what: nameOf(service), says: saysService(service, route) },
    { what: 'port', says: saysPort(port, route) },
    ...(route.sources === undefined
      ? []
      : [{ what: 'loadBalancerSourceRanges', says: saysSources(route, packet) }]),
    { what: 'policy', says: saysPolicy(service, route, packet) },
    ...slices.map((slice) => ({
      what: `EndpointSlice ${namespace}/${slice.metadata.name}`,
      says: saysSlice(slice, port, route),
    })),
    { what: 'endpoints', says: saysChoice(choice, candidates.length, isLocal, settings) },
    ...(seen.verdict === 'forward' || seen.endpoints.length > 0 ? [] : emptiness(seen, choice)),
    ...(way.pool.affinitySeconds > 0 && seen.verdict === 'forward'
      ? [
          {
            what: 'affinity',
            says: `a client stays with its endpoint for ${way.pool.affinitySeconds} s after its last connection`,
          },
        ]
      : []),
    ...(seen.verdict === 'forward'
      ? [{ what: 'masquerade', says: saysMasquerade(service, route, packet, settings, seen) }]
      : []),
  ];
}

function serviceOf(state: ClusterState, { name }: ServiceRoute): Service | undefined {
  const [key = ''] = name.split(':');
  return state.services.get(key);
}

function keepsLocal(service: Service, { entry }: ServiceRoute): boolean {
  const policy =
    entry === 'cluster-ip' ? service.internalTrafficPolicy : service.externalTrafficPolicy;
  return policy === 'Local';
}

function saysService({ type }: Service, { entry, addr }: ServiceRoute): string {
  switch (entry) {
    case 'cluster-ip':
      return `has ${addr} as its cluster IP`;
    case 'external-ip':
      return `has ${addr} as an external IP`;
    case 'load-balancer':
      return `has ${addr} as its load balancer's address`;
    case 'node-port':
      return `of type ${type} is served on ports of the node`;
  }
}

function saysPort({ name, port, protocol, nodePort }: ServicePort, route: ServiceRoute): string {
  const label = name === '' ? `${port}/${protocol}` : `${name}, ${port}/${protocol}`;
  return route.entry === 'node-port' ? `${label}, node port ${nodePort}` : label;
}

function saysSources({ sources = [] }: ServiceRoute, { source }: Packet): string {
  const range = sources.find((prefix) => prefix.contains(source));
  return range === undefined
    ? `admit ${sources.join(', ') || 'nobody'}: ${source} is not among them`
    : `admit ${source} by ${range}`;
}

function saysPolicy(service: Service, route: ServiceRoute, { origin }: Packet): string {
  const isInner = route.entry === 'cluster-ip';
  const policy = isInner ? 'internalTrafficPolicy' : 'externalTrafficPolicy';
  if (!keepsLocal(service, route)) return `${policy} Cluster: endpoints of all nodes`;
  if (isInner || origin === 'outside') return `${policy} Local: endpoints of this node only`;
  const who = origin === 'host' ? 'the node itself' : 'a pod of this node';
  return `${policy} Local, but ${who} takes the short way to endpoints of all nodes`;
}

function saysSlice(slice: EndpointSlice, { name, protocol }: ServicePort, route: ServiceRoute) {
  if (slice.addressType !== `IPv${route.family}`) return `of ${slice.addressType}: plays no part`;
  const ports = slice.ports.filter(
    (each) => each.name === name && each.protocol === protocol && each.port !== undefined,
  );
  if (ports.length === 0) return `has no port "${name}" of ${protocol}: plays no part`;
  const count = (of: (conditions: EndpointSlice['endpoints'][number]['conditions']) => boolean) =>
    slice.endpoints.filter(({ conditions }) => of(conditions)).length;
  const ready = count(({ ready = true }) => ready);
  const leaving = count(
    ({ ready = true, serving = true, terminating = false }) => !ready && serving && terminating,
  );
  const others = slice.endpoints.length - ready - leaving;
  const numbers = ports.map(({ port }) => port).join(', ');
  return [
    `port ${numbers}: ${ready} ready`,
    ...(leaving > 0 ? [`${leaving} terminating and serving`] : []),
    ...(others > 0 ? [`${others} not ready`] : []),
  ].join(', ');
}

function saysChoice(
  { endpoints, reason }: Choice,
  all: number,
  isLocal: boolean,
  { nodeName, zone }: ModelSettings,
): string {
  const where = isLocal ? ` of node ${nodeName}` : '';
  if (endpoints.length === 0) return `none${where} of ${all} can be used`;
  const named = endpoints.slice(0, NAMED_MAX).map(formatEndpoint).join(' ');
  const more = endpoints.length > NAMED_MAX ? ` and ${endpoints.length - NAMED_MAX} more` : '';
  const place = reason.endsWith('zone')
    ? ` ${zone}`
    : reason.endsWith('node')
      ? ` ${nodeName}`
      : '';
  return `${endpoints.length}${where} of ${all}, ${reason}${place}: ${named}${more}`;
}

function emptiness({ verdict }: Trace, { endpoints }: Choice): ExplainedStep[] {
  if (endpoints.length > 0) return [];
  const says =
    verdict === 'drop'
      ? 'some are on other nodes, so it is dropped and not refused: a load balancer tries another'
      : 'there is none anywhere, so it is refused';
  return [{ what: 'no endpoint', says }];
}

function saysMasquerade(
  service: Service,
  route: ServiceRoute,
  { origin }: Packet,
  settings: ModelSettings,
  { masquerade, hairpin }: Trace,
): string {
  const self =
    hairpin.length === 0
      ? ''
      : `; where the endpoint is the sender itself (${hairpin.map(formatEndpoint).join(' ')}), yes`;
  if (route.entry === 'cluster-ip') {
    if (settings.masqueradeAll) return 'yes: all that goes to cluster IPs is (masqueradeAll)';
    if (masquerade)
      return 'yes: the sender is no pod of this node, and replies have to come back here';
    const why =
      origin === 'pod' ? 'a pod of this node keeps its address' : 'no pod can be told from others';
    return `no: ${why}${self}`;
  }
  if (masquerade) {
    return keepsLocal(service, route)
      ? 'yes: the node itself, sent to an endpoint anywhere'
      : 'yes: externalTrafficPolicy Cluster, so replies have to come back through this node';
  }
  return `no: externalTrafficPolicy Local keeps the source${self}`;
}
