import {
  type ClusterObject,
  type EndpointSlice,
  IMPORT_NAME_LABEL,
  type Namespace,
  objectKey,
  type Pod,
  SERVICE_NAME_LABEL,
  type Service,
  type ServiceImport,
} from './objects.ts';
import { isSame } from './same.ts';

/** What the consumers (proxy, dns) see of the cluster. */
export interface ClusterState {
  /** Counts the changes; equal numbers are equal states. */
  readonly generation: number;
  /** By `namespace/name`. */
  readonly services: ReadonlyMap<string, Service>;
  /** The slices that carry the label of the Service, in the order of their names. */
  slicesOf(namespace: string, service: string): readonly EndpointSlice[];
  /** By name. */
  readonly namespaces: ReadonlyMap<string, Namespace>;
  /** By `namespace/name`. */
  readonly pods: ReadonlyMap<string, Pod>;
  /** By `namespace/name`. */
  readonly imports: ReadonlyMap<string, ServiceImport>;
  /** The slices that carry the label of the ServiceImport, in the order of their names. */
  importSlicesOf(namespace: string, name: string): readonly EndpointSlice[];
}

/** What a change concerns, beside Services: names of Namespaces, `namespace/name` of the others. */
export interface TouchedOthers {
  readonly namespaces: readonly string[];
  readonly pods: readonly string[];
  readonly imports: readonly string[];
}

/**
 * Called after a change, with the `namespace/name` of each Service it concerns, which may be none, and
 * what else.
 */
export type OnChange = (
  state: ClusterState,
  touched: readonly string[],
  others: TouchedOthers,
) => void;

/** What a change touched so far. */
class Touched {
  readonly services = new Set<string>();
  readonly namespaces = new Set<string>();
  readonly pods = new Set<string>();
  readonly imports = new Set<string>();

  get isEmpty(): boolean {
    const { services, namespaces, pods, imports } = this;
    return services.size + namespaces.size + pods.size + imports.size === 0;
  }

  get others(): TouchedOthers {
    const { namespaces, pods, imports } = this;
    return { namespaces: [...namespaces], pods: [...pods], imports: [...imports] };
  }
}

/** Slices by what they belong to, and there by their own key. */
type Slices = Map<string, Map<string, EndpointSlice>>;

/**
 * The cluster's objects in memory. A source hands over all the objects it has; the store finds
 * the difference and tells the consumers only when there is one.
 */
export class Store implements ClusterState {
  generation = 0;
  readonly services = new Map<string, Service>();
  readonly namespaces = new Map<string, Namespace>();
  readonly pods = new Map<string, Pod>();
  readonly imports = new Map<string, ServiceImport>();
  readonly #objects = new Map<string, ClusterObject>();
  readonly #slices: Slices = new Map();
  readonly #importSlices: Slices = new Map();
  readonly #listeners = new Set<OnChange>();

  /** How many objects there are. */
  get size(): number {
    return this.#objects.size;
  }

  slicesOf(namespace: string, service: string): readonly EndpointSlice[] {
    return inOrder(this.#slices.get(`${namespace}/${service}`));
  }

  importSlicesOf(namespace: string, name: string): readonly EndpointSlice[] {
    return inOrder(this.#importSlices.get(`${namespace}/${name}`));
  }

  /** Makes `objects` all there is. Gives whether anything changed. */
  replace(objects: readonly ClusterObject[]): boolean {
    const touched = new Touched();
    const wanted = new Map(objects.map((object) => [objectKey(object), object]));
    for (const [key, object] of this.#objects) {
      if (!wanted.has(key)) this.#remove(key, object, touched);
    }
    for (const [key, object] of wanted) {
      const before = this.#objects.get(key);
      if (before !== undefined) {
        if (isSame(before, object)) continue;
        this.#remove(key, before, touched);
      }
      this.#put(key, object, touched);
    }
    if (touched.isEmpty) return false;
    this.generation += 1;
    const services = [...touched.services];
    for (const listener of this.#listeners) listener(this, services, touched.others);
    return true;
  }

  /** Calls `listener` after every change, at once and in order. Gives what ends it. */
  subscribe(listener: OnChange): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #put(key: string, object: ClusterObject, touched: Touched): void {
    this.#objects.set(key, object);
    const name = nameOf(object);
    switch (object.kind) {
      case 'Service':
        this.services.set(name, object);
        touched.services.add(name);
        break;
      case 'EndpointSlice':
        this.#toSliceOwners(object, touched, (slices, owner) => {
          const own = slices.get(owner) ?? new Map<string, EndpointSlice>();
          own.set(key, object);
          slices.set(owner, own);
        });
        break;
      case 'Namespace':
        this.namespaces.set(name, object);
        touched.namespaces.add(name);
        break;
      case 'Pod':
        this.pods.set(name, object);
        touched.pods.add(name);
        break;
      case 'ServiceImport':
        this.imports.set(name, object);
        touched.imports.add(name);
        break;
    }
  }

  #remove(key: string, object: ClusterObject, touched: Touched): void {
    this.#objects.delete(key);
    const name = nameOf(object);
    switch (object.kind) {
      case 'Service':
        this.services.delete(name);
        touched.services.add(name);
        break;
      case 'EndpointSlice':
        this.#toSliceOwners(object, touched, (slices, owner) => {
          const own = slices.get(owner);
          own?.delete(key);
          if (own?.size === 0) slices.delete(owner);
        });
        break;
      case 'Namespace':
        this.namespaces.delete(name);
        touched.namespaces.add(name);
        break;
      case 'Pod':
        this.pods.delete(name);
        touched.pods.add(name);
        break;
      case 'ServiceImport':
        this.imports.delete(name);
        touched.imports.add(name);
        break;
    }
  }

  /** A slice belongs to a Service, or to a ServiceImport, by its label; without one to nobody. */
  #toSliceOwners(
    slice: EndpointSlice,
    touched: Touched,
    act: (slices: Slices, owner: string) => void,
  ): void {
    const { namespace, labels } = slice.metadata;
    const service = `${namespace}/${labels[SERVICE_NAME_LABEL] ?? ''}`;
    act(this.#slices, service);
    touched.services.add(service);
    const imported = labels[IMPORT_NAME_LABEL];
    if (imported === undefined) return;
    act(this.#importSlices, `${namespace}/${imported}`);
    touched.imports.add(`${namespace}/${imported}`);
  }
}

function nameOf({ kind, metadata }: ClusterObject): string {
  return kind === 'Namespace' ? metadata.name : `${metadata.namespace}/${metadata.name}`;
}

function inOrder(slices: ReadonlyMap<string, EndpointSlice> | undefined): EndpointSlice[] {
  if (slices === undefined) return [];
  return [...slices.values()].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
}
