import {
  type ClusterObject,
  type EndpointSlice,
  type Node,
  objectKey,
  SERVICE_NAME_LABEL,
  type Service,
  type ServiceCidr,
} from './objects.ts';

/** What the consumers (proxy, dns) see of the cluster. */
export interface ClusterState {
  /** Counts the changes; equal numbers are equal states. */
  readonly generation: number;
  /** By `namespace/name`. */
  readonly services: ReadonlyMap<string, Service>;
  /** By name. */
  readonly nodes: ReadonlyMap<string, Node>;
  /** By name. */
  readonly serviceCidrs: ReadonlyMap<string, ServiceCidr>;
  /** The slices that carry the label of the Service, in the order of their names. */
  slicesOf(namespace: string, service: string): readonly EndpointSlice[];
}

/** What a change concerns; each list holds a name once. */
export interface Change {
  /** `namespace/name` of each Service that changed, or whose EndpointSlices did. */
  readonly services: readonly string[];
  readonly nodes: readonly string[];
  readonly serviceCidrs: readonly string[];
}

/** Called after a change. */
export type OnChange = (state: ClusterState, change: Change) => void;

/** The names a change has gathered so far. */
interface Touched {
  readonly services: Set<string>;
  readonly nodes: Set<string>;
  readonly serviceCidrs: Set<string>;
}

/**
 * The cluster's objects in memory. A source hands over all the objects it has; the store finds
 * the difference and tells the consumers only when there is one.
 */
export class Store implements ClusterState {
  generation = 0;
  readonly services = new Map<string, Service>();
  readonly nodes = new Map<string, Node>();
  readonly serviceCidrs = new Map<string, ServiceCidr>();
  readonly #objects = new Map<string, ClusterObject>();
  readonly #text = new Map<string, string>();
  readonly #slices = new Map<string, Map<string, EndpointSlice>>();
  readonly #listeners = new Set<OnChange>();

  /** How many objects there are. */
  get size(): number {
    return this.#objects.size;
  }

  slicesOf(namespace: string, service: string): readonly EndpointSlice[] {
    const slices = this.#slices.get(`${namespace}/${service}`);
    if (slices === undefined) return [];
    return [...slices.values()].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  }

  /** Makes `objects` all there is. Gives whether anything changed. */
  replace(objects: readonly ClusterObject[]): boolean {
    const touched: Touched = {
      services: new Set(),
      nodes: new Set(),
      serviceCidrs: new Set(),
    };
    const wanted = new Map(objects.map((object) => [objectKey(object), object]));
    let changed = false;
    for (const [key, object] of this.#objects) {
      if (wanted.has(key)) continue;
      this.#remove(key, object, touched);
      changed = true;
    }
    for (const [key, object] of wanted) {
      const text = JSON.stringify(object);
      if (this.#text.get(key) === text) continue;
      const before = this.#objects.get(key);
      if (before !== undefined) this.#remove(key, before, touched);
      this.#objects.set(key, object);
      this.#text.set(key, text);
      this.#put(key, object, touched);
      changed = true;
    }
    if (!changed) return false;
    this.generation += 1;
    const change = {
      services: [...touched.services],
      nodes: [...touched.nodes],
      serviceCidrs: [...touched.serviceCidrs],
    };
    for (const listener of this.#listeners) listener(this, change);
    return true;
  }

  /** Calls `listener` after every change, at once and in order. Gives what ends it. */
  subscribe(listener: OnChange): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #put(key: string, object: ClusterObject, touched: Touched): void {
    const { name } = object.metadata;
    switch (object.kind) {
      case 'Service':
        this.services.set(serviceKeyOf(object), object);
        touched.services.add(serviceKeyOf(object));
        break;
      case 'EndpointSlice': {
        const service = serviceKeyOf(object);
        const slices = this.#slices.get(service) ?? new Map<string, EndpointSlice>();
        slices.set(key, object);
        this.#slices.set(service, slices);
        touched.services.add(service);
        break;
      }
      case 'Node':
        this.nodes.set(name, object);
        touched.nodes.add(name);
        break;
      case 'ServiceCIDR':
        this.serviceCidrs.set(name, object);
        touched.serviceCidrs.add(name);
        break;
    }
  }

  #remove(key: string, object: ClusterObject, touched: Touched): void {
    this.#objects.delete(key);
    this.#text.delete(key);
    const { name } = object.metadata;
    switch (object.kind) {
      case 'Service':
        this.services.delete(serviceKeyOf(object));
        touched.services.add(serviceKeyOf(object));
        break;
      case 'EndpointSlice': {
        const service = serviceKeyOf(object);
        const slices = this.#slices.get(service);
        slices?.delete(key);
        if (slices?.size === 0) this.#slices.delete(service);
        touched.services.add(service);
        break;
      }
      case 'Node':
        this.nodes.delete(name);
        touched.nodes.add(name);
        break;
      case 'ServiceCIDR':
        this.serviceCidrs.delete(name);
        touched.serviceCidrs.add(name);
        break;
    }
  }
}

/** The Service an object concerns. A slice without the label concerns one that cannot exist. */
function serviceKeyOf(object: Service | EndpointSlice): string {
  const { namespace, name, labels } = object.metadata;
  if (object.kind === 'Service') return `${namespace}/${name}`;
  return `${namespace}/${labels[SERVICE_NAME_LABEL] ?? ''}`;
}
