import {
  type ClusterObject,
  type EndpointSlice,
  objectKey,
  SERVICE_NAME_LABEL,
  type Service,
} from './objects.ts';

/** What the consumers (proxy, dns) see of the cluster. */
export interface ClusterState {
  /** Counts the changes; equal numbers are equal states. */
  readonly generation: number;
  /** By `namespace/name`. */
  readonly services: ReadonlyMap<string, Service>;
  /** The slices that carry the label of the Service, in the order of their names. */
  slicesOf(namespace: string, service: string): readonly EndpointSlice[];
}

/** Called after a change, with the `namespace/name` of each Service it concerns. */
export type OnChange = (state: ClusterState, touched: readonly string[]) => void;

/**
 * The cluster's objects in memory. A source hands over all the objects it has; the store finds
 * the difference and tells the consumers only when there is one.
 */
export class Store implements ClusterState {
  generation = 0;
  readonly services = new Map<string, Service>();
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
    const touched = new Set<string>();
    const wanted = new Map(objects.map((object) => [objectKey(object), object]));
    for (const [key, object] of this.#objects) {
      if (!wanted.has(key)) this.#remove(key, object, touched);
    }
    for (const [key, object] of wanted) {
      const text = JSON.stringify(object);
      if (this.#text.get(key) === text) continue;
      const before = this.#objects.get(key);
      if (before !== undefined) this.#remove(key, before, touched);
      this.#put(key, object, text, touched);
    }
    if (touched.size === 0) return false;
    this.generation += 1;
    for (const listener of this.#listeners) listener(this, [...touched]);
    return true;
  }

  /** Calls `listener` after every change, at once and in order. Gives what ends it. */
  subscribe(listener: OnChange): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #put(key: string, object: ClusterObject, text: string, touched: Set<string>): void {
    this.#objects.set(key, object);
    this.#text.set(key, text);
    const service = serviceKeyOf(object);
    touched.add(service);
    if (object.kind === 'Service') {
      this.services.set(service, object);
      return;
    }
    const slices = this.#slices.get(service) ?? new Map<string, EndpointSlice>();
    slices.set(key, object);
    this.#slices.set(service, slices);
  }

  #remove(key: string, object: ClusterObject, touched: Set<string>): void {
    this.#objects.delete(key);
    this.#text.delete(key);
    const service = serviceKeyOf(object);
    touched.add(service);
    if (object.kind === 'Service') {
      this.services.delete(service);
      return;
    }
    const slices = this.#slices.get(service);
    slices?.delete(key);
    if (slices?.size === 0) this.#slices.delete(service);
  }
}

/** The Service an object concerns. A slice without the label concerns one that cannot exist. */
function serviceKeyOf(object: ClusterObject): string {
  const { namespace, name, labels } = object.metadata;
  if (object.kind === 'Service') return `${namespace}/${name}`;
  return `${namespace}/${labels[SERVICE_NAME_LABEL] ?? ''}`;
}
