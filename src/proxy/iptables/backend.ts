import { detectFlavour } from '../../iptables/detect.ts';
import type { Flavour } from '../../iptables/programs.ts';
import { findProgram, programName } from '../../iptables/programs.ts';
import type { Netns } from '../../sys/netns.ts';
import { writeSysctl } from '../../sys/sysctl.ts';
import type { Desired, ProxyBackend, SyncResult } from '../backend.ts';
import type { ServiceRoute } from '../model/route.ts';
import { removeRules } from './cleanup.ts';
import { TableWatch } from './drift.ts';
import { type FamilySync, FamilySynchronizer } from './family-sync.ts';
import { nodeSettings } from './node-rules.ts';

const FAMILIES = [4, 6] as const;
const ROUTE_LOCALNET = 'net/ipv4/conf/all/route_localnet';

/** What the backend of iptables is opened with. */
export interface IptablesOptions {
  /** By default the flavour in use. */
  readonly flavour?: Flavour | undefined;
}

/**
 * Services as rules of iptables(8), in the chains of kube-proxy. What the kernel has is read once and
 * adopted, so a restart writes nothing when nothing changed meanwhile.
 */
export class IptablesBackend implements ProxyBackend {
  readonly name = 'iptables';
  readonly flavour: Flavour | undefined;
  readonly #netns: Netns | undefined;
  readonly #watch: TableWatch;
  readonly #families: Readonly<Record<4 | 6, FamilySynchronizer>>;
  #isKnown = false;
  #doubted = false;

  private constructor(netns: Netns | undefined, flavour: Flavour | undefined) {
    this.#netns = netns;
    this.flavour = flavour;
    this.#watch = new TableWatch(flavour, netns, () => this.#isIntact());
    const family = (of: 4 | 6) =>
      new FamilySynchronizer({ family: of, flavour }, netns, (pid) => this.#watch.ownProcess(pid));
    this.#families = { 4: family(4), 6: family(6) };
  }

  /** Opens it in `netns`, or in the namespace the thread is in. */
  static open(netns?: Netns, options: IptablesOptions = {}): IptablesBackend {
    const detect = () => options.flavour ?? detectFlavour();
    return new IptablesBackend(netns, netns === undefined ? detect() : netns.run(detect));
  }

  /** Throws IptablesError when a program is missing. */
  probe(): void {
    for (const family of FAMILIES) {
      for (const verb of ['save', 'restore'] as const) {
        findProgram(programName(family, verb, this.flavour));
      }
    }
  }

  async sync(desired: Desired): Promise<SyncResult> {
    const isWhole = !this.#isKnown;
    // What was told of in a sync that fails is not told again.
    this.#isKnown = false;
    const node = this.#inNetns(() => nodeSettings(desired.node));
    const routes = isWhole ? new Map(desired.routes()) : desired.changes;
    for (const family of FAMILIES) {
      this.#families[family].take(node, ofFamily(family, routes), isWhole);
    }
    const isDoubted = this.#doubted && !this.#watch.isUntouched();
    this.#doubted = false;
    if (isDoubted) this.#forget();
    // A change of ours must not be taken for somebody else's.
    using _quiet = this.#watch.pause();
    const outcomes = await this.#syncFamilies();
    const failed = outcomes.find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
    // After the rule that keeps others on the link from what listens on loopback.
    if (desired.node.localhostNodePorts) this.#inNetns(() => writeSysctl(ROUTE_LOCALNET, '1'));
    this.#isKnown = true;
    const done = outcomes.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    return {
      changes: done.reduce((sum, { changes }) => sum + changes, 0),
      full: done.some(({ full }) => full),
      quarantined: done.flatMap(({ quarantined }) => quarantined),
      rules: done.flatMap(({ rules }) => rules),
    };
  }

  invalidate(): void {
    this.#doubted = true;
  }

  watch(onDrift: () => void): Disposable {
    return this.#watch.open(() => {
      this.#forget();
      onDrift();
    });
  }

  cleanup(): readonly string[] {
    this.#forget();
    return this.#inNetns(() =>
      FAMILIES.flatMap((family) => removeRules({ family, flavour: this.flavour }, 'ours')),
    );
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
  }

  /** Both at once; but those of the older kind share a lock, and one would wait for the other. */
  async #syncFamilies(): Promise<readonly PromiseSettledResult<FamilySync>[]> {
    const start = (family: 4 | 6) => Promise.allSettled([this.#families[family].sync()]);
    if (this.flavour === 'nft') return (await Promise.all(FAMILIES.map(start))).flat();
    const first = await start(4);
    return [...first, ...(await start(6))];
  }

  #inNetns<T>(work: () => T): T {
    return this.#netns === undefined ? work() : this.#netns.run(work);
  }

  #forget(): void {
    for (const family of FAMILIES) this.#families[family].forget();
  }

  async #isIntact(): Promise<boolean> {
    for (const family of FAMILIES) if (!(await this.#families[family].isIntact())) return false;
    return true;
  }
}

function ofFamily(
  family: 4 | 6,
  routes: ReadonlyMap<string, ServiceRoute | undefined>,
): ReadonlyMap<string, ServiceRoute | undefined> {
  // One that is gone does not say of which family it was; to the other it is not known.
  return new Map([...routes].filter(([, route]) => route === undefined || route.family === family));
}
