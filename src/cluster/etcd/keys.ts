import type { ClusterObject } from '../objects.ts';

/*
 * Where objects are in etcd: `<prefix>/v1/<resource>/<namespace>/<name>`, without the namespace for what has
 * none. `v1` is the layout's own version.
 */

const LAYOUT = 'v1';

/** A kind of object, and what it is called. */
export interface ResourceKind {
  readonly kind: ClusterObject['kind'];
  readonly apiVersion: string;
  /** The plural by which the Kubernetes API has it, and kubectl. */
  readonly resource: string;
  /** How kubectl shortens it. */
  readonly short: string;
  readonly isNamespaced: boolean;
}

const resource = (
  kind: ClusterObject['kind'],
  apiVersion: string,
  name: string,
  short: string,
  isNamespaced: boolean,
): ResourceKind => ({ kind, apiVersion, resource: name, short, isNamespaced });

/** The kinds of objects there are. */
export const RESOURCE_KINDS: readonly ResourceKind[] = [
  resource('Service', 'v1', 'services', 'svc', true),
  resource('EndpointSlice', 'discovery.k8s.io/v1', 'endpointslices', 'eps', true),
  resource('Namespace', 'v1', 'namespaces', 'ns', false),
  resource('Node', 'v1', 'nodes', 'no', false),
  resource('Pod', 'v1', 'pods', 'po', true),
  resource('ServiceCIDR', 'networking.k8s.io/v1', 'servicecidrs', 'scidr', false),
  resource('ServiceImport', 'multicluster.x-k8s.io/v1alpha1', 'serviceimports', 'svcim', true),
];

/** The kind people mean: by its name, its plural, or kubectl's short name, in any case. */
export function kindOf(text: string): ResourceKind | undefined {
  const word = text.toLowerCase();
  return RESOURCE_KINDS.find(({ kind, resource: plural, short }) =>
    [kind.toLowerCase(), plural, short].includes(word),
  );
}

/** The keys below one prefix. */
export class EtcdKeys {
  /** What all keys of objects begin with. */
  readonly root: string;
  /** What the keys begin with that are claimed: subnets, for one. */
  readonly claims: string;

  /** `prefix` such as `/podwire`; a slash at its end plays no part. */
  constructor(prefix: string) {
    const base = prefix.replace(/\/+$/, '');
    this.root = `${base}/${LAYOUT}/`;
    this.claims = `${base}/claims/`;
  }

  /** Where an object is. */
  of(kind: ClusterObject['kind'], namespace: string, name: string): string {
    const path = namespace === '' ? name : `${namespace}/${name}`;
    return `${this.below(kind)}${path}`;
  }

  /** What the keys of all objects of a kind begin with. */
  below(kind: ClusterObject['kind']): string {
    const found = RESOURCE_KINDS.find((each) => each.kind === kind);
    return `${this.root}${found?.resource ?? kind}/`;
  }

  /** Where an object belongs that was read from somewhere. */
  ofObject(object: ClusterObject): string {
    return this.of(object.kind, object.metadata.namespace, object.metadata.name);
  }

  /** The key, as `objectKey` has it, of the object that is at a place; undefined for any other place. */
  objectKeyOf(key: string): string | undefined {
    if (!key.startsWith(this.root)) return undefined;
    const [plural, ...path] = key.slice(this.root.length).split('/');
    const found = RESOURCE_KINDS.find((each) => each.resource === plural);
    if (found === undefined || path.includes('')) return undefined;
    const { kind, isNamespaced } = found;
    if (path.length !== (isNamespaced ? 2 : 1)) return undefined;
    const [first = '', second = ''] = path;
    const metadata = isNamespaced
      ? { namespace: first, name: second }
      : { namespace: '', name: first };
    return `${kind}/${metadata.namespace}/${metadata.name}`;
  }
}

/** The end of the range of keys that begin with a prefix: the first key that does not. */
export function rangeEndOf(prefix: string): Buffer {
  const end = Buffer.from(prefix);
  const last = end.length - 1;
  // Prefixes end in a slash, so there is no octet to carry to.
  end[last] = (end[last] ?? 0) + 1;
  return end;
}
