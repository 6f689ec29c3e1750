import { parseChains, type SavedChains } from '../../iptables/chains.ts';
import { IptablesError } from '../../iptables/error.ts';
import type { Target } from '../../iptables/run.ts';
import { type Started, startRestore, startSave } from '../../iptables/start.ts';
import type { Netns } from '../../sys/netns.ts';
import type { Quarantined, RuleCount } from '../backend.ts';
import type { ServiceRoute } from '../model/route.ts';
import { type Changes, changesOfAll, changesOfPorts, countOf, isEmpty } from './changes.ts';
import { type NodeSettings, nodeChains, nodePortJumps } from './node-rules.ts';
import { type PortRules, type PortSettings, portRules, type SharedChain } from './port-rules.ts';
import { Ports } from './ports.ts';
import { matchLocal } from './rule-text.ts';
import { scriptOf } from './script.ts';

/** How long iptables-legacy waits for others that change rules; then the sync is tried again. */
const WAIT_SECONDS = 5;
/** With more endpoints than this rules of endpoints have no comments, as in kube-proxy. */
const COMMENTED_ENDPOINTS_MAX = 1000;
/** How often refused rules are cut in halves: enough to single out one port of a million. */
const BISECT_DEPTH_MAX = 24;

/** How the rules of a port in the kernel were made, by which they can be made again. */
interface AppliedPort {
  readonly routes: readonly ServiceRoute[];
  readonly hasComments: boolean;
  readonly endpoints: number;
  /** How many rules it has. */
  readonly nat: number;
  readonly filter: number;
}

/** What a synchronisation of a family came to. */
export interface FamilySync {
  readonly changes: number;
  readonly full: boolean;
  readonly quarantined: readonly Quarantined[];
  readonly rules: readonly RuleCount[];
}

/** What iptables-restore(8) refused, and whether it was all rules or only some that changed. */
export class RestoreError extends IptablesError {
  readonly family: 4 | 6;
  readonly isPartial: boolean;

  constructor({ failure, program, details }: IptablesError, family: 4 | 6, isPartial: boolean) {
    super(failure, program, details);
    this.family = family;
    this.isPartial = isPartial;
  }
}

/** The rules of one family. */
export class FamilySynchronizer {
  readonly #target: Target;
  readonly #netns: Netns | undefined;
  readonly #onProcess: (pid: number) => void;
  readonly #ports = new Ports();
  /** What is in the kernel; undefined when it has to be read. */
  #applied: Map<string, AppliedPort> | undefined;
  #node: NodeSettings | undefined;
  #nodeKey = '';
  readonly #quarantined = new Map<string, Quarantined[]>();
  #endpoints = 0;
  #written: Record<'nat' | 'filter', number> = { nat: 0, filter: 0 };

  /** `onProcess` is told the processes that change rules for us. */
  constructor(target: Target, netns: Netns | undefined, onProcess: (pid: number) => void) {
    this.#target = target;
    this.#netns = netns;
    this.#onProcess = onProcess;
  }

  /** Takes what is desired; `sync` brings the kernel there. */
  take(
    node: NodeSettings,
    routes: ReadonlyMap<string, ServiceRoute | undefined>,
    isWhole: boolean,
  ): void {
    if (isWhole) this.#ports.replace(routes as ReadonlyMap<string, ServiceRoute>);
    else for (const [key, route] of routes) this.#ports.set(key, route);
    const key = keyOf(this.#target.family, node);
    // Rules of every port may depend on it.
    if (key !== this.#nodeKey) this.forget();
    this.#nodeKey = key;
    this.#node = node;
  }

  /** What the kernel has is not known any more. */
  forget(): void {
    this.#applied = undefined;
  }

  /** Throws RestoreError, or IptablesError when the rules can't be read. */
  async sync(): Promise<FamilySync> {
    const changed = this.#ports.takeChanged();
    for (const port of changed) this.#quarantined.delete(port);
    this.#written = { nat: 0, filter: 0 };
    const applied = this.#applied;
    try {
      if (applied !== undefined) {
        return this.#result(await this.#update(applied, changed), false);
      }
    } catch (error) {
      this.forget();
      if (!isRefusal(error)) throw error;
    }
    try {
      return this.#result(await this.#load(), true);
    } catch (error) {
      this.forget();
      if (!isRefusal(error)) throw error;
      return this.#result(await this.#loadBisected(error), true);
    }
  }

  /** Whether the kernel still has what was applied. Throws IptablesError. */
  async isIntact(): Promise<boolean> {
    const { keys, node } = this.#wanted();
    if (this.#applied === undefined) return false;
    const actual = await this.#read();
    const ports = keys.map((key) => this.#rulesAsApplied(key));
    return isEmpty(changesOfAll(this.#target.family, actual, ports, node));
  }

  #result(changes: number, full: boolean): FamilySync {
    return {
      changes,
      full,
      quarantined: [...this.#quarantined.values()].flat(),
      rules: this.#count(),
    };
  }

  /** Sends what became different of the ports that changed. */
  async #update(applied: Map<string, AppliedPort>, changed: readonly string[]): Promise<number> {
    const { node } = this.#wanted();
    const plans = changed.map((key) => ({
      key,
      before: this.#rulesAsApplied(key),
      after: this.#rules(key, this.#hasComments),
    }));
    const changes = changesOfPorts(this.#target.family, plans, node, (chain) =>
      this.#allShared(chain, new Map(plans.map(({ key, after }) => [key, after]))),
    );
    await this.#write(changes, true);
    for (const { key, after } of plans) this.#setApplied(applied, key, after, this.#hasComments);
    return countOf(changes);
  }

  /** Reads what the kernel has and makes it what is desired. */
  async #load(except: ReadonlySet<string> = new Set()): Promise<number> {
    const { keys, node } = this.#wanted();
    const served = keys.filter((key) => !except.has(key) && !this.#quarantined.has(key));
    const total = served.reduce((sum, key) => sum + endpointsOf(this.#ports.routesOf(key)), 0);
    const hasComments = total <= COMMENTED_ENDPOINTS_MAX;
    const actual = await this.#read();
    const plans = served.map((key) => this.#rules(key, hasComments));
    const changes = changesOfAll(this.#target.family, actual, plans, node);
    await this.#write(changes, false);
    const applied = new Map<string, AppliedPort>();
    this.#endpoints = 0;
    served.forEach((key, index) => {
      const plan = plans[index];
      if (plan !== undefined) this.#setApplied(applied, key, plan, hasComments);
    });
    this.#applied = applied;
    return countOf(changes);
  }

  /**
   * The kernel refuses the rules as a whole: those it takes are written, by halves, and the ports that
   * are refused even alone are set aside.
   */
  async #loadBisected(refusal: Error): Promise<number> {
    const { keys } = this.#wanted();
    const waiting = new Set(keys);
    // The rules without any port must be possible, else no single port is to blame.
    let changes = await this.#load(waiting);
    const pending: { part: readonly string[]; depth: number; error: Error }[] = [
      { part: keys, depth: 0, error: refusal },
    ];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const { part, depth } = next;
      for (const key of part) waiting.delete(key);
      try {
        changes += await this.#load(waiting);
      } catch (error) {
        this.forget();
        if (!isRefusal(error) || depth >= BISECT_DEPTH_MAX) throw error;
        for (const key of part) waiting.add(key);
        const [only] = part;
        if (part.length === 1 && only !== undefined) {
          waiting.delete(only);
          const routes = this.#ports.routesOf(only);
          this.#quarantined.set(
            only,
            routes.map((route) => ({ route, error })),
          );
          continue;
        }
        const half = part.length >> 1;
        for (const each of [part.slice(half), part.slice(0, half)]) {
          pending.push({ part: each, depth: depth + 1, error });
        }
      }
    }
    return changes + (await this.#load());
  }

  #wanted(): { readonly keys: readonly string[]; readonly node: NodeSettings } {
    if (this.#node === undefined) throw new Error('nothing is desired yet');
    return { keys: [...this.#ports.keys()], node: this.#node };
  }

  get #hasComments(): boolean {
    return this.#endpoints <= COMMENTED_ENDPOINTS_MAX;
  }

  #rules(key: string, hasComments: boolean): PortRules {
    return portRules(this.#ports.routesOf(key), this.#settings(hasComments));
  }

  /** The rules of a port that are in the kernel. */
  #rulesAsApplied(key: string): PortRules {
    const applied = this.#applied?.get(key);
    return portRules(applied?.routes ?? [], this.#settings(applied?.hasComments ?? false));
  }

  #settings(hasComments: boolean): PortSettings {
    const { detector, masqueradeAll } = this.#wanted().node.node;
    return { detector, masqueradeAll, hasComments };
  }

  /** All rules of a shared chain, with what some ports shall have instead of what they have. */
  #allShared(chain: SharedChain, instead: ReadonlyMap<string, PortRules>): readonly string[] {
    return [...this.#ports.keys()]
      .filter((key) => !this.#quarantined.has(key))
      .flatMap((key) => (instead.get(key) ?? this.#rulesAsApplied(key)).shared.get(chain) ?? []);
  }

  #setApplied(
    applied: Map<string, AppliedPort>,
    key: string,
    rules: PortRules,
    hasComments: boolean,
  ): void {
    this.#endpoints -= applied.get(key)?.endpoints ?? 0;
    const routes = this.#ports.routesOf(key);
    if (routes.length === 0) {
      applied.delete(key);
      return;
    }
    const endpoints = endpointsOf(routes);
    this.#endpoints += endpoints;
    let nat = 0;
    let filter = 0;
    for (const each of rules.chains.values()) nat += each.length;
    for (const [chain, each] of rules.shared) {
      if (chain.startsWith('nat ')) nat += each.length;
      else filter += each.length;
    }
    applied.set(key, { routes, hasComments, endpoints, nat, filter });
  }

  async #read(): Promise<SavedChains> {
    return parseChains(await startSave(this.#target, this.#netns).done);
  }

  async #write(changes: Changes, isPartial: boolean): Promise<void> {
    if (isEmpty(changes)) return;
    const text = scriptOf(changes, this.#target.flavour);
    let table: 'nat' | 'filter' = 'nat';
    for (const [line = ''] of text.matchAll(/^(?:\*\w+|-[AID] )/gm)) {
      if (line.startsWith('*')) table = line === '*nat' ? 'nat' : 'filter';
      else this.#written[table] += 1;
    }
    const started: Started<string> = startRestore(this.#target, text, WAIT_SECONDS, this.#netns);
    this.#onProcess(started.pid);
    try {
      await started.done;
    } catch (error) {
      throw error instanceof IptablesError
        ? new RestoreError(error, this.#target.family, isPartial)
        : error;
    }
  }

  /** The rules by table, without those in the kernel's own chains, as kube-proxy counts them. */
  #count(): RuleCount[] {
    const { family } = this.#target;
    const { node } = this.#wanted();
    const total = { nat: nodePortJumps(family, node.node).length, filter: 1 };
    for (const [name, rules] of nodeChains(family, node)) {
      total[name.startsWith('nat ') ? 'nat' : 'filter'] += rules.length;
    }
    for (const { nat, filter } of this.#applied?.values() ?? []) {
      total.nat += nat;
      total.filter += filter;
    }
    return (['filter', 'nat'] as const).map((table) => ({
      family,
      table,
      total: total[table],
      written: this.#written[table],
    }));
  }
}

/** All that rules have of the node, as text. */
function keyOf(family: 4 | 6, settings: NodeSettings): string {
  const { node } = settings;
  const chains = [...nodeChains(family, settings).values()].flat();
  const { source = '', link = '' } = matchLocal(node.detector, family) ?? {};
  return [...chains, ...nodePortJumps(family, node), source, link, node.masqueradeAll].join('\n');
}

/** The endpoints of a port, as far as any of its ways leads to them. */
function endpointsOf(routes: readonly ServiceRoute[]): number {
  let most = 0;
  for (const { ways } of routes) {
    for (const { pool } of [ways.pod, ways.host, ways.outside]) {
      most = Math.max(most, pool.endpoints.length);
    }
  }
  return most;
}

/** The kernel or the program says no, as opposed to somebody having been in the way. */
function isRefusal(error: unknown): error is IptablesError {
  return error instanceof IptablesError && error.failure === 'refused';
}
