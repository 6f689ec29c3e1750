import type { ClusterState, TouchedOthers } from '../cluster/store.ts';
import { backNames } from './table/address-tree.ts';
import { Table, type TableSource, type TableZone } from './table/table.ts';
import { TableWriter } from './table/writer.ts';
import { encodeName, formatName } from './wire/name.ts';
import {
  planFixed,
  planImport,
  planNamespace,
  planPod,
  planService,
  serviceName,
} from './zone/kubernetes.ts';
import type { PlannedName, View } from './zone/names.ts';
import type { KubernetesZoneOptions } from './zone/options.ts';
import { matchesSelector } from './zone/selector.ts';

const REVERSE4 = 'in-addr.arpa';
const REVERSE6 = 'ip6.arpa';
const NAME_BYTES_MAX = 255;
/** A Service with a port and an endpoint has its own, the port's, the protocol's and the endpoint's. */
const NAMES_PER_SERVICE = 4;

/** Keeps a table equal to a cluster's objects, at the cost of what changed. */
export class ClusterZone {
  /** Reads the table on this thread. */
  readonly table: Table;
  readonly #options: KubernetesZoneOptions;
  readonly #writer: TableWriter;
  /** The longest relative name that fits before every zone. */
  readonly #nameLengthMax: number;
  /** How many Services, imports and pods a namespace has names for; by `view namespace`. */
  readonly #population = new Map<string, number>();
  /** The names of each pod, for `pods verified`, and how many pods have a name. */
  readonly #pods = new Map<string, readonly PlannedName[]>();
  readonly #podNames = new Map<string, number>();
  #serial = 0;

  /** `tableBytes` is address space, by default TABLE_BYTES_MAX. Throws NameError. */
  constructor(options: KubernetesZoneOptions, tableBytes?: number) {
    this.#options = options;
    this.#writer = new TableWriter(tableBytes);
    this.table = new Table(sourceOf(this.#writer.memory, options));
    const longest = Math.max(0, ...this.table.source.zones.map(({ name }) => name.length));
    this.#nameLengthMax = NAME_BYTES_MAX - longest - 1;
    this.#writer.setHeader({ ttlSeconds: options.ttlSeconds, hasBelow: options.zonal });
    for (const view of this.#views) {
      for (const planned of planFixed(options)) this.#writer.setName(view, planned);
    }
  }

  /** Names in forward zones. */
  get nameCount(): number {
    return this.#writer.nameCount;
  }

  /** Bytes of memory the table takes. */
  get usedBytes(): number {
    return this.#writer.usedBytes;
  }

  /** Whether what is not there is known not to exist; until then it is SERVFAIL. */
  setSynced(isSynced: boolean): void {
    this.#writer.setSynced(isSynced);
  }

  /** Whether what is there may be out of date; answers then say so. */
  setStale(isStale: boolean): void {
    this.#writer.setStale(isStale);
  }

  /** Takes over all of a state, into a table that has nothing of another. */
  load(state: ClusterState): void {
    this.#writer.reserve(state.services.size * NAMES_PER_SERVICE);
    for (const namespace of state.namespaces.keys()) this.#settleNamespace(state, namespace);
    for (const key of state.services.keys()) this.#setService(state, key);
    for (const key of state.imports.keys()) this.#setImport(state, key);
    for (const key of state.pods.keys()) this.#setPod(state, key);
    this.#publish();
  }

  /** Takes over what a change touched. */
  update(state: ClusterState, services: readonly string[], others: TouchedOthers): void {
    for (const namespace of others.namespaces) {
      if (this.#options.namespaceLabels !== undefined) this.#setAllOf(state, namespace);
      this.#settleNamespace(state, namespace);
    }
    for (const key of services) this.#setService(state, key);
    for (const key of others.imports) this.#setImport(state, key);
    for (const key of others.pods) this.#setPod(state, key);
    this.#publish();
  }

  get #views(): readonly View[] {
    return this.#options.multicluster.length > 0 ? ['cluster', 'clusterset'] : ['cluster'];
  }

  /** Whether the namespace is shown at all. */
  #isExposed(state: ClusterState, namespace: string): boolean {
    const { namespaces, namespaceLabels } = this.#options;
    if (namespaces.length > 0 && !namespaces.includes(namespace)) return false;
    if (namespaceLabels === undefined) return true;
    const labels = state.namespaces.get(namespace)?.metadata.labels;
    return labels !== undefined && matchesSelector(namespaceLabels, labels);
  }

  #setService(state: ClusterState, key: string): void {
    const service = state.services.get(key);
    const [namespace, name] = splitKey(key);
    const { labels } = this.#options;
    const isShown =
      service !== undefined &&
      this.#isExposed(state, namespace) &&
      (labels === undefined || matchesSelector(labels, service.metadata.labels));
    const slices = isShown ? state.slicesOf(namespace, name) : [];
    const names = isShown ? planService(service, slices, this.#options) : [];
    this.#set(state, 'cluster', namespace, name, names);
  }

  #setImport(state: ClusterState, key: string): void {
    const imported = state.imports.get(key);
    if (this.#options.multicluster.length === 0) return;
    const [namespace, name] = splitKey(key);
    const isShown = imported !== undefined && this.#isExposed(state, namespace);
    const slices = isShown ? state.importSlicesOf(namespace, name) : [];
    const names = isShown ? planImport(imported, slices, this.#options) : [];
    this.#set(state, 'clusterset', namespace, name, names);
  }

  #set(
    state: ClusterState,
    view: View,
    namespace: string,
    name: string,
    names: readonly PlannedName[],
  ): void {
    // A label selects slices as well as Services: what names none is nobody's.
    if (name === '') return;
    const fitting = names.filter((each) => each.name.length <= this.#nameLengthMax);
    const own = serviceName(namespace, name);
    // Without its own name a Service has no other either.
    const all = fitting[0]?.name === own ? fitting : [];
    const existed = this.#writer.setService(view, own, all);
    this.#count(state, view, namespace, (all.length > 0 ? 1 : 0) - (existed ? 1 : 0));
  }

  /** Pods may share an address, on the node's own network, so each name is counted. */
  #setPod(state: ClusterState, key: string): void {
    if (this.#options.pods !== 'verified') return;
    const [namespace] = splitKey(key);
    const pod = state.pods.get(key);
    const isShown = pod !== undefined && this.#isExposed(state, namespace);
    const names = isShown ? planPod(pod) : [];
    const before = this.#pods.get(key) ?? [];
    for (const planned of names) {
      const count = this.#podNames.get(planned.name) ?? 0;
      if (count === 0) this.#writer.setName('cluster', planned);
      this.#podNames.set(planned.name, count + 1);
    }
    for (const { name } of before) {
      const count = this.#podNames.get(name) ?? 0;
      if (count > 1) {
        this.#podNames.set(name, count - 1);
      } else {
        this.#podNames.delete(name);
        this.#writer.removeName('cluster', name);
      }
    }
    if (names.length > 0) this.#pods.set(key, names);
    else this.#pods.delete(key);
    const change = (names.length > 0 ? 1 : 0) - (before.length > 0 ? 1 : 0);
    this.#count(state, 'cluster', namespace, change);
  }

  #setAllOf(state: ClusterState, namespace: string): void {
    const isOf = (key: string) => key.startsWith(`${namespace}/`);
    for (const key of state.services.keys()) if (isOf(key)) this.#setService(state, key);
    for (const key of state.imports.keys()) if (isOf(key)) this.#setImport(state, key);
    for (const key of state.pods.keys()) if (isOf(key)) this.#setPod(state, key);
  }

  #count(state: ClusterState, view: View, namespace: string, change: number): void {
    if (change === 0) return;
    const key = `${view} ${namespace}`;
    const before = this.#population.get(key) ?? 0;
    if (before + change === 0) this.#population.delete(key);
    else this.#population.set(key, before + change);
    if (before === 0 || before + change === 0) this.#settleNamespace(state, namespace);
  }

  /** A namespace exists by its object, or by what is in it. */
  #settleNamespace(state: ClusterState, namespace: string): void {
    const isObject = state.namespaces.has(namespace) && this.#isExposed(state, namespace);
    for (const view of this.#views) {
      const exists = isObject || this.#population.has(`${view} ${namespace}`);
      for (const planned of planNamespace(namespace, this.#options)) {
        if (exists) this.#writer.setName(view, planned);
        else this.#writer.removeName(view, planned.name);
      }
    }
  }

  #publish(): void {
    this.#writer.setNameServers(this.#nameServers());
    // Two changes in one second need two numbers, or a secondary would miss the second.
    this.#serial = Math.max(this.#serial + 1, Math.floor(Date.now() / 1000));
    this.#writer.publish(this.#serial);
  }

  /** The Services this server is behind; `ns.dns` while there are none. */
  #nameServers(): string[] {
    const services = new Set<string>();
    const { bytes } = this.table;
    for (const addr of this.#options.localAddresses) {
      const octets = addr.toBytes();
      const leaf = this.table.findAddress(octets, octets.length);
      if (leaf === 0) continue;
      for (const { isService, start, lengthBytes } of backNames(bytes, leaf)) {
        const wire = new Uint8Array(lengthBytes + 1);
        wire.set(bytes.subarray(start, start + lengthBytes));
        const name = formatName(wire);
        services.add(isService ? name : name.slice(name.indexOf('.') + 1));
      }
    }
    return services.size > 0 ? [...services].sort() : ['ns.dns'];
  }
}

function splitKey(key: string): [namespace: string, name: string] {
  const slash = key.indexOf('/');
  return [key.slice(0, slash), key.slice(slash + 1)];
}

function sourceOf(memory: SharedArrayBuffer, options: KubernetesZoneOptions): TableSource {
  const multicluster = new Set(options.multicluster.map((name) => name.toLowerCase()));
  const names = new Set([...options.zones.map((name) => name.toLowerCase()), ...multicluster]);
  const zones = [...names].map((name): TableZone => {
    const wire = encodeName(name);
    if (name === REVERSE4 || name.endsWith(`.${REVERSE4}`)) return { name: wire, kind: 'reverse4' };
    if (name === REVERSE6 || name.endsWith(`.${REVERSE6}`)) return { name: wire, kind: 'reverse6' };
    return { name: wire, kind: multicluster.has(name) ? 'clusterset' : 'cluster' };
  });
  zones.sort((a, b) => b.name.length - a.name.length);
  const own = options.zones.find((name) => zones.some((zone) => isForward(zone, name)));
  return {
    memory,
    zones,
    home: encodeName(own ?? '.'),
    fallthrough: options.fallthrough.map((name) => encodeName(name === '.' ? '' : name)),
    podsEcho: options.pods === 'insecure',
  };
}

function isForward({ name, kind }: TableZone, text: string): boolean {
  return kind === 'cluster' && formatName(name) === text.toLowerCase();
}
