import type { ClusterObject, Endpoint, EndpointSlice, Metadata } from './objects.ts';

/** So many different values are remembered; then they are forgotten, and remembered anew. */
const VALUES_MAX = 20_000;

const NONE: Readonly<Record<string, string>> = Object.freeze({});

/**
 * Has equal parts of objects be one: the names of nodes and namespaces, ports, conditions. A cluster's objects
 * repeat them thousands of times.
 */
export class Sharing {
  readonly #texts = new Map<string, string>();
  readonly #values = new Map<string, unknown>();

  /** The same object, of parts that others may have too. */
  share(object: ClusterObject): ClusterObject {
    const metadata = this.#metadata(object.metadata);
    if (object.kind === 'EndpointSlice') return this.#slice(object, metadata);
    if (object.kind === 'Service') {
      return { ...object, metadata, ports: this.#value(object.ports) };
    }
    return { ...object, metadata };
  }

  #slice(slice: EndpointSlice, metadata: Metadata): EndpointSlice {
    const { kind, addressType, endpoints, ports } = slice;
    const all = endpoints.map((endpoint) => this.#endpoint(endpoint));
    return { kind, metadata, addressType, endpoints: all, ports: this.#value(ports) };
  }

  #endpoint({
    addresses,
    nodeName,
    conditions,
    zone,
    hints,
    hostname,
    podName,
  }: Endpoint): Endpoint {
    // In one order of fields, so that the engine has one shape for most of them.
    return {
      addresses,
      conditions: sharedConditions(conditions),
      ...(nodeName === undefined ? {} : { nodeName: this.#text(nodeName) }),
      ...(podName === undefined ? {} : { podName }),
      ...(zone === undefined ? {} : { zone: this.#text(zone) }),
      ...(hints === undefined ? {} : { hints: this.#value(hints) }),
      ...(hostname === undefined ? {} : { hostname }),
    };
  }

  #metadata({ name, namespace, labels, annotations }: Metadata): Metadata {
    return {
      name,
      namespace: this.#text(namespace),
      labels: isEmpty(labels) ? NONE : labels,
      annotations: isEmpty(annotations) ? NONE : annotations,
    };
  }

  #text(text: string): string {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    if (this.#texts.size >= VALUES_MAX) this.#texts.clear();
    this.#texts.set(text, text);
    return text;
  }

  #value<T extends object>(value: T): T {
    const text = JSON.stringify(value);
    const known = this.#values.get(text);
    if (known !== undefined) return known as T;
    if (this.#values.size >= VALUES_MAX) this.#values.clear();
    this.#values.set(text, value);
    return value;
  }
}

/** All conditions there can be, each once. */
const CONDITIONS = new Map<number, Endpoint['conditions']>();
const ABSENT = 2;

function sharedConditions(conditions: Endpoint['conditions']): Endpoint['conditions'] {
  const { ready, serving, terminating } = conditions;
  const digit = (is: boolean | undefined) => Number(is ?? ABSENT);
  const at = digit(ready) * 9 + digit(serving) * 3 + digit(terminating);
  const known = CONDITIONS.get(at);
  if (known !== undefined) return known;
  CONDITIONS.set(at, conditions);
  return conditions;
}

function isEmpty(record: Readonly<Record<string, string>>): boolean {
  for (const _ in record) return false;
  return true;
}
