import { Store } from '../../../src/cluster/store.ts';
import { ConntrackSweeper, type Sweep } from '../../../src/proxy/conntrack/sweeper.ts';
import { RouteTable } from '../../../src/proxy/model/table.ts';
import { NftablesBackend } from '../../../src/proxy/nftables/backend.ts';
import type { Netns } from '../../../src/sys/netns.ts';
import type { CaseSettings } from '../../conformance/proxy/case.ts';
import { modelSettings, nodeRules } from '../../conformance/proxy/settings.ts';

/** A proxy in a namespace: objects in, rules and sweeps out. */
export class SweptProxy implements Disposable {
  readonly sweeps: Sweep[] = [];
  readonly errors: Error[] = [];
  readonly sweeper: ConntrackSweeper;
  readonly #backend: NftablesBackend;
  readonly #store = new Store();
  readonly #table: RouteTable;
  readonly #settings: CaseSettings;

  constructor(netns: Netns, settings: CaseSettings = {}) {
    this.#settings = settings;
    this.#table = new RouteTable(modelSettings(settings));
    this.#backend = NftablesBackend.open(netns);
    this.sweeper = ConntrackSweeper.open(netns, () => [], {
      onSweep: (sweep) => this.sweeps.push(sweep),
      onError: (error) => this.errors.push(error),
    });
    this.#store.subscribe((state, touched) => this.#table.update(state, touched));
  }

  sync(objects: Parameters<Store['replace']>[0], isApplied = true): void {
    this.#store.replace(objects);
    const changes = this.#table.takeChanges().routes;
    const node = nodeRules(this.#settings);
    const wanted = { node, routes: () => this.#table.routes(), changes };
    const { departed } = isApplied ? this.#backend.sync(wanted) : {};
    this.sweeper.follow({ changes, node, isApplied, departed });
  }

  [Symbol.dispose](): void {
    this.sweeper.close();
    this.#backend.close();
  }
}
