import type { Addr } from '../../ipaddr/addr.ts';
import { formatEndpoint } from '../model/endpoint.ts';
import type { Pool } from '../model/pool.ts';
import type { ServiceRoute } from '../model/route.ts';
import type { LocalDetector } from '../model/settings.ts';
import {
  EXTERNAL_SERVICES,
  MARK_MASQ,
  NODE_PORTS,
  PortNames,
  PROXY_FIREWALL,
  SERVICES,
} from './names.ts';
import {
  comment,
  matchDestination,
  matchLocal,
  matchSource,
  matchSourceAddr,
  probability,
  protocolName,
  recent,
  reject,
} from './rule-text.ts';

/** What rules of Services depend on beside their routes. */
export interface PortSettings {
  readonly detector: LocalDetector;
  readonly masqueradeAll: boolean;
  /** Whether rules of endpoints name whose they are; with very many that is most of the text. */
  readonly hasComments: boolean;
}

/** The chains that every packet to a Service meets, of which each port has a few rules. */
export const SHARED_CHAINS = [
  `filter ${SERVICES}`,
  `filter ${EXTERNAL_SERVICES}`,
  `filter ${NODE_PORTS}`,
  `filter ${PROXY_FIREWALL}`,
  `nat ${SERVICES}`,
  `nat ${NODE_PORTS}`,
] as const;
export type SharedChain = (typeof SHARED_CHAINS)[number];

/** All that one port of a Service has in the tables of a family. */
export interface PortRules {
  /** Its own chains in `nat`, and their rules in order. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
  /** Its rules in the chains that all share; their order plays no part. */
  readonly shared: ReadonlyMap<SharedChain, readonly string[]>;
}

/**
 * The rules of one port, from its routes in one family, in kube-proxy's layout:
 *
 *     KUBE-SERVICES -> KUBE-SVC-, KUBE-SVL-                         cluster IP
 *                   -> KUBE-EXT- -> KUBE-SVC- or KUBE-SVL-          everything else, short ways too
 *                   -> KUBE-FW-  -> KUBE-EXT-                       where only some may connect
 *     KUBE-SVC-, KUBE-SVL- -> KUBE-SEP-                             one endpoint
 *
 * Pure. Empty without routes.
 */
export function portRules(routes: readonly ServiceRoute[], settings: PortSettings): PortRules {
  const plan = new PortPlan(routes, settings);
  plan.build();
  return plan;
}

/** A pool of endpoints and the chain that picks one. */
interface Target {
  readonly pool: Pool;
  readonly chain: string;
}

class PortPlan implements PortRules {
  readonly chains = new Map<string, string[]>();
  readonly shared = new Map<SharedChain, string[]>();
  readonly #routes: readonly ServiceRoute[];
  readonly #settings: PortSettings;
  readonly #names: PortNames;
  readonly #family: 4 | 6;
  /** `tcp` */
  readonly #protocol: string;

  constructor(routes: readonly ServiceRoute[], settings: PortSettings) {
    this.#routes = routes;
    this.#settings = settings;
    const { name, protocol, family } = routes[0] ?? NO_ROUTE;
    this.#names = new PortNames(name, protocol);
    this.#family = family;
    this.#protocol = protocolName(protocol);
  }

  build(): void {
    const outer = this.#routes.filter(({ entry }) => entry !== 'cluster-ip');
    for (const route of this.#routes) {
      if (route.entry === 'cluster-ip') this.#clusterIP(route);
      else this.#outerEntry(route);
      this.#healthCheck(route);
    }
    this.#external(outer);
    this.#firewall(outer);
    const endpoints = new Set<string>();
    for (const { pool, chain } of this.#targets()) this.#pick(pool, chain, endpoints);
  }

  /** The chain of a pool: this node's endpoints, or those of all. */
  #chainOf(pool: Pool): string {
    return pool.id.endsWith(' local') ? this.#names.local : this.#names.cluster;
  }

  /** The pools in use that have endpoints. */
  #targets(): Target[] {
    const targets = new Map<string, Target>();
    for (const { ways } of this.#routes) {
      for (const { pool } of [ways.pod, ways.host, ways.outside]) {
        if (pool.endpoints.length === 0) continue;
        const chain = this.#chainOf(pool);
        targets.set(chain, { pool, chain });
      }
    }
    return [...targets.values()].sort((a, b) => (a.chain < b.chain ? 1 : -1));
  }

  #to(addr: Addr | undefined): string {
    return `${addr === undefined ? '' : matchDestination(addr)}-p ${this.#protocol} `;
  }

  #port(port: number): string {
    return `-m ${this.#protocol} --dport ${port} `;
  }

  #share(chain: SharedChain, rule: string): void {
    const rules = this.shared.get(chain);
    if (rules === undefined) this.shared.set(chain, [rule]);
    else rules.push(rule);
  }

  #own(chain: string, rule: string): void {
    const rules = this.chains.get(chain);
    if (rules === undefined) this.chains.set(chain, [rule]);
    else rules.push(rule);
  }

  #clusterIP({ addr, port, ways: { pod, outside } }: ServiceRoute): void {
    const { pool } = pod;
    if (addr === undefined) return;
    if (pool.endpoints.length === 0) {
      this.#refuse(`filter ${SERVICES}`, this.#to(addr), port, pool);
      return;
    }
    const chain = this.#chainOf(pool);
    const words = comment(`${this.#names.port} cluster IP`);
    this.#share(`nat ${SERVICES}`, `${this.#to(addr)}${words}${this.#port(port)}-j ${chain}`);
    if (!outside.masquerade) return;
    const local = pod.masquerade ? NOBODY : matchLocal(this.#settings.detector, this.#family);
    if (local === undefined) return;
    const source = local.source === '' ? '' : `! ${local.source}`;
    const link = local.link === '' ? '' : `! ${local.link}`;
    this.#own(
      chain,
      `${source}${matchDestination(addr)}${link}-p ${this.#protocol} ${words}${this.#port(port)}-j ${MARK_MASQ}`,
    );
  }

  /** What comes without an endpoint to go to; it is no new destination's, so `filter` sees it. */
  #refuse(chain: SharedChain, match: string, port: number, { whenEmpty }: Pool, more = ''): void {
    const isRejected = whenEmpty === 'reject';
    const lacks = isRejected ? 'has no endpoints' : 'has no local endpoints';
    const words = comment(`${this.#names.port} ${lacks}`);
    const verdict = isRejected ? reject(this.#family, this.#protocol) : '-j DROP';
    this.#share(chain, `${match}${words}${more}${this.#port(port)}${verdict}`);
  }

  #outerEntry(route: ServiceRoute): void {
    const { entry, addr, port, ways, sources } = route;
    const isServed = hasEndpoints(route);
    const match = this.#to(addr);
    const name = this.#names.port;
    if (isServed && entry === 'node-port') {
      const target = `-j ${this.#names.external}`;
      this.#share(`nat ${NODE_PORTS}`, `${match}${comment(name)}${this.#port(port)}${target}`);
    } else if (isServed) {
      const words = comment(`${name} ${entry === 'external-ip' ? 'external' : 'loadbalancer'} IP`);
      const chain = sources === undefined ? this.#names.external : this.#names.firewall;
      this.#share(`nat ${SERVICES}`, `${match}${words}${this.#port(port)}-j ${chain}`);
    }
    if (isServed && sources !== undefined) {
      const words = comment(`${name} traffic not accepted by ${this.#names.firewall}`);
      this.#share(`filter ${PROXY_FIREWALL}`, `${match}${words}${this.#port(port)}-j DROP`);
    }
    const { pool } = ways.outside;
    if (pool.endpoints.length > 0) return;
    const more = entry === 'node-port' ? '-m addrtype --dst-type LOCAL ' : '';
    this.#refuse(`filter ${EXTERNAL_SERVICES}`, match, port, pool, more);
  }

  #healthCheck({ healthCheckPort }: ServiceRoute): void {
    if (healthCheckPort === undefined) return;
    const words = comment(`${this.#names.port} health check node port`);
    const rule = `-p tcp ${words}-m tcp --dport ${healthCheckPort} -j ACCEPT`;
    this.#share(`filter ${NODE_PORTS}`, rule);
  }

  /** What comes from outside, and the short ways of pods and of the node itself. */
  #external(outer: readonly ServiceRoute[]): void {
    const route = outer.find(hasEndpoints);
    if (route === undefined) return;
    const chain = this.#names.external;
    const { pod, host, outside } = route.ways;
    const what = `${this.#names.port} external destinations`;
    if (outside.masquerade) {
      this.#own(chain, `${comment(`masquerade traffic for ${what}`)}-j ${MARK_MASQ}`);
    } else {
      const local = matchLocal(this.#settings.detector, this.#family);
      if (local !== undefined) {
        const match = `${local.source}${local.link}`;
        const target = `-j ${this.#chainOf(pod.pool)}`;
        this.#own(chain, `${match}${comment(`pod traffic for ${what}`)}${target}`);
      }
      const fromNode = '-m addrtype --src-type LOCAL ';
      this.#own(
        chain,
        `${comment(`masquerade LOCAL traffic for ${what}`)}${fromNode}-j ${MARK_MASQ}`,
      );
      const target = `-j ${this.#chainOf(host.pool)}`;
      this.#own(chain, `${comment(`route LOCAL traffic for ${what}`)}${fromNode}${target}`);
    }
    if (outside.pool.endpoints.length > 0) this.#own(chain, `-j ${this.#chainOf(outside.pool)}`);
  }

  /** Who may connect to a load balancer's address goes on; others end in KUBE-PROXY-FIREWALL. */
  #firewall(outer: readonly ServiceRoute[]): void {
    const walled = outer.filter((route) => route.sources !== undefined && hasEndpoints(route));
    if (walled.length === 0) return;
    const chain = this.#names.firewall;
    const words = comment(`${this.#names.port} loadbalancer IP`);
    const sources = new Set(walled.flatMap(({ sources: each = [] }) => each.map(matchSource)));
    for (const source of sources) {
      this.#own(chain, `${source}${words}-j ${this.#names.external}`);
    }
    const rest = `other traffic to ${this.#names.port} will be dropped by ${PROXY_FIREWALL}`;
    this.#own(chain, comment(rest).trimEnd());
  }

  /** Picks an endpoint of a pool: the one a client had before, or any. */
  #pick({ endpoints, affinitySeconds }: Pool, chain: string, known: Set<string>): void {
    const name = this.#names.port;
    const words = (text: string) => (this.#settings.hasComments ? comment(text) : '');
    const targets = endpoints.map((each) => ({ addr: each.addr, text: formatEndpoint(each) }));
    targets.sort((a, b) => (a.text < b.text ? -1 : 1));
    const named = targets.map((each) => ({ ...each, chain: this.#names.endpoint(each.text) }));
    if (affinitySeconds > 0) {
      for (const { text, chain: endpoint } of named) {
        const had = recent(this.#family, endpoint, `--rcheck --seconds ${affinitySeconds} --reap`);
        this.#own(chain, `${words(`${name} -> ${text}`)}${had}-j ${endpoint}`);
      }
    }
    named.forEach(({ text, chain: endpoint }, index) => {
      const left = named.length - index;
      const chance = left === 1 ? '' : probability(left);
      this.#own(chain, `${words(`${name} -> ${text}`)}${chance}-j ${endpoint}`);
    });
    for (const { addr, text, chain: endpoint } of named) {
      if (known.has(endpoint)) continue;
      known.add(endpoint);
      this.#own(endpoint, `${matchSourceAddr(addr)}${words(name)}-j ${MARK_MASQ}`);
      const keep = affinitySeconds > 0 ? recent(this.#family, endpoint, '--set') : '';
      const to = `-m ${this.#protocol} -j DNAT --to-destination ${text}`;
      this.#own(endpoint, `-p ${this.#protocol} ${words(name)}${keep}${to}`);
    }
  }
}

const NO_ROUTE = { name: '', protocol: 'TCP', family: 4 } as const;
/** With masqueradeAll nobody's source stays. */
const NOBODY = { source: '', link: '' };

/** Whether any endpoint of the port can be used, here or elsewhere. */
function hasEndpoints({ ways: { host, outside } }: ServiceRoute): boolean {
  return (
    host.pool.endpoints.length > 0 ||
    outside.pool.endpoints.length > 0 ||
    outside.pool.whenEmpty === 'drop'
  );
}
