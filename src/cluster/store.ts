import {
  type ClusterObject,
  type EndpointSlice,
  IMPORT_NAME_LABEL,
  type Namespace,
  type Node,
  objectKey,
  type Pod,
  SERVICE_NAME_LABEL,
  type Service,
  type ServiceCidr,
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
  /** By name. */
  readonly nodes: ReadonlyMap<string, Node>;
  /** By name. */
  readonly serviceCidrs: ReadonlyMap<string, ServiceCidr>;
}

/** What a change concerns, beside Services: `namespace/name`, or the name of what has no namespace. */
export interface TouchedOthers {
  readonly namespaces: readonly string[];
  readonly pods: readonly string[];
  readonly imports: readonly string[];
  readonly nodes: readonly string[];
  readonly serviceCidrs: readonly string[];
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
  readonly nodes = new Set<string>();
  readonly serviceCidrs = new Set<string>();

  get isEmpty(): boolean {
    return Object.values(this.others).every((names) => names.length === 0) && !this.services.size;
  }

  get others(): TouchedOthers {
    return {
      namespaces: [...this.namespaces],
      pods: [...this.pods],
      imports: [...this.imports],
      nodes: [...this.nodes],
      serviceCidrs: [...this.serviceCidrs],
    };
  }
}

/** Slices by what they belong to, and there by their own key. */
type Slices = Map<string, Map<string, EndpointSlice>>;

/**
 * The cluster's objects in memory. A source hands over all the objects it has, or those that it was
 * told of; the store finds the difference and tells the consumers only when there is one.
 */
export class Store implements ClusterState {
  generation = 0;
  readonly services = new Map<string, Service>();
  readonly namespaces = new Map<string, Namespace>();
  readonly pods = new Map<string, Pod>();
  readonly imports = new Map<string, ServiceImport>();
  readonly nodes = new Map<string, Node>();
  readonly serviceCidrs = new Map<string, ServiceCidr>();
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
    const wanted = new Set(objects.map(objectKey));
    return this.update(
      objects,
      [...this.#objects.keys()].filter((key) => !wanted.has(key)),
    );
  }

  /**
   * Puts `objects` in the place of those of the same key, and takes those of the keys `deleted` away;
   * all others stay. Gives whether anything changed.
   */
  update(objects: readonly ClusterObject[], deleted: readonly string[] = []): boolean {
    const touched = new Touched();
    for (const key of deleted) {
      const object = this.#objects.get(key);
      if (object !== undefined) this.#remove(key, object, touched);
    }
    for (const object of objects) {
      const key = objectKey(object);
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

function nameOf({ metadata }: ClusterObject): string {
  const { namespace, name } = metadata;
  return namespace === '' ? name : `${namespace}/${name}`;
}

function inOrder(slices: ReadonlyMap<string, EndpointSlice> | undefined): EndpointSlice[] {
  if (slices === undefined) return [];
  return [...slices.values()].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
}
