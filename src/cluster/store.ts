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
import { Sharing } from './share.ts';

/** What the consumers (proxy, dns) see of the cluster. */
export interface ClusterState {
  /** Counts the changes; equal numbers are equal states. */
  readonly generation: number;
  /**
   * Whether all there is was put in. Before, what is not here is not known not to exist: nothing may be
   * taken away because of it.
   */
  readonly isComplete: boolean;
  /** Whether it may be out of date: the source is away, or has not told yet what is now. */
  readonly isStale: boolean;
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

/**
 * What one source has in a store. Of several parts that have an object of one name, the part that
 * was made first is followed; the others' come into force when it lets go of it.
 */
export interface StorePart {
  /** How many objects it has. */
  readonly size: number;
  /** By the key of `objectKey`. */
  get(key: string): ClusterObject | undefined;
  objects(): IterableIterator<ClusterObject>;
  /** Makes `objects` all the part has. Gives whether anything changed for the listeners. */
  replace(objects: readonly ClusterObject[]): boolean;
  /** Puts some in and takes others out, by their keys, as one change. Gives the same. */
  apply(put: Iterable<ClusterObject>, remove: Iterable<string>): boolean;
}

/** Slices by what they belong to, in the order of their names. */
type Slices = Map<string, readonly EndpointSlice[]>;

const NO_SLICES: readonly EndpointSlice[] = [];

/** The objects of one part, by the key of `objectKey`. */
type PartObjects = Map<string, ClusterObject>;

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
  /** In the order in which they are asked. */
  readonly #parts: PartObjects[] = [];
  #whole: StorePart | undefined;
  #size = 0;
  readonly #slices: Slices = new Map();
  readonly #importSlices: Slices = new Map();
  readonly #listeners = new Set<OnChange>();
  readonly #sharing = new Sharing();
  #isComplete = true;
  readonly #stale = new Set<StorePart>();

  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** Says whether all there is was put in, as it is taken for without a word. */
  set isComplete(isComplete: boolean) {
    if (isComplete === this.#isComplete) return;
    this.#isComplete = isComplete;
    this.#notify(new Touched());
  }

  get isStale(): boolean {
    return this.#stale.size > 0;
  }

  /** Says whether what `part` has may be out of date, as it is not taken for without a word. */
  markStale(part: StorePart, isStale: boolean): void {
    const before = this.isStale;
    if (isStale) this.#stale.add(part);
    else this.#stale.delete(part);
    if (this.isStale !== before) this.#notify(new Touched());
  }

  /** How many objects are in force. */
  get size(): number {
    return this.#size;
  }

  /** How many EndpointSlices of Services there are. */
  get sliceCount(): number {
    return this.#slices.values().reduce((sum, slices) => sum + slices.length, 0);
  }

  slicesOf(namespace: string, service: string): readonly EndpointSlice[] {
    return this.#slices.get(`${namespace}/${service}`) ?? NO_SLICES;
  }

  importSlicesOf(namespace: string, name: string): readonly EndpointSlice[] {
    return this.#importSlices.get(`${namespace}/${name}`) ?? NO_SLICES;
  }

  /** Makes a part for one more source, which comes after those there are. */
  part(): StorePart {
    const own: PartObjects = new Map();
    this.#parts.push(own);
    const apply: StorePart['apply'] = (put, remove) => this.#apply(own, put, remove);
    return {
      get size() {
        return own.size;
      },
      get: (key) => own.get(key),
      objects: () => own.values(),
      replace: (objects) => {
        const wanted = new Set(objects.map(objectKey));
        return apply(
          objects,
          [...own.keys()].filter((key) => !wanted.has(key)),
        );
      },
      apply,
    };
  }

  /** Makes `objects` all there is, in a store with one source. Gives whether anything changed. */
  replace(objects: readonly ClusterObject[]): boolean {
    return this.#single().replace(objects);
  }

  /**
   * Puts `objects` in the place of those of the same key, and takes those of the keys `deleted` away;
   * all others stay, in a store with one source. Gives whether anything changed.
   */
  update(objects: readonly ClusterObject[], deleted: readonly string[] = []): boolean {
    return this.#single().apply(objects, deleted);
  }

  /** Calls `listener` after every change, at once and in order. Gives what ends it. */
  subscribe(listener: OnChange): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #single(): StorePart {
    this.#whole ??= this.part();
    return this.#whole;
  }

  #apply(own: PartObjects, put: Iterable<ClusterObject>, remove: Iterable<string>): boolean {
    const touched = new Touched();
    for (const key of remove) this.#set(own, key, undefined, touched);
    for (const object of put) this.#set(own, objectKey(object), object, touched);
    if (touched.isEmpty) return false;
    this.#notify(touched);
    return true;
  }

  #notify(touched: Touched): void {
    this.generation += 1;
    const services = [...touched.services];
    for (const listener of this.#listeners) listener(this, services, touched.others);
  }

  /** Changes one part's object, or takes it out, and what is in force if it is another one now. */
  #set(own: PartObjects, key: string, object: ClusterObject | undefined, touched: Touched): void {
    // What is the same already stays: whoever holds it does not hold it twice.
    if (object !== undefined && isSame(own.get(key), object)) return;
    const before = this.#inForce(key);
    if (object === undefined) own.delete(key);
    else own.set(key, this.#sharing.share(object));
    const after = this.#inForce(key);
    if (isSame(before, after)) return;
    if (before !== undefined) this.#remove(before, touched);
    if (after !== undefined) this.#put(after, touched);
  }

  #inForce(key: string): ClusterObject | undefined {
    for (const part of this.#parts) {
      const object = part.get(key);
      if (object !== undefined) return object;
    }
    return undefined;
  }

  #put(object: ClusterObject, touched: Touched): void {
    this.#size += 1;
    const name = nameOf(object);
    switch (object.kind) {
      case 'Service':
        this.services.set(name, object);
        touched.services.add(name);
        break;
      case 'EndpointSlice':
        this.#toSliceOwners(object, touched, (slices, owner) => {
          slices.set(owner, withSlice(slices.get(owner) ?? NO_SLICES, object));
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

  #remove(object: ClusterObject, touched: Touched): void {
    this.#size -= 1;
    const name = nameOf(object);
    switch (object.kind) {
      case 'Service':
        this.services.delete(name);
        touched.services.add(name);
        break;
      case 'EndpointSlice':
        this.#toSliceOwners(object, touched, (slices, owner) => {
          const others = (slices.get(owner) ?? NO_SLICES).filter((each) => each !== object);
          if (others.length === 0) slices.delete(owner);
          else slices.set(owner, others);
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

/** The slices with one more, which is none of them. */
function withSlice(
  slices: readonly EndpointSlice[],
  added: EndpointSlice,
): readonly EndpointSlice[] {
  const { name } = added.metadata;
  const at = slices.findIndex(({ metadata }) => metadata.name > name);
  return at === -1 ? [...slices, added] : slices.toSpliced(at, 0, added);
}
