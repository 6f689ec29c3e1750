import {
  type ClusterObject,
  IMPORT_NAME_LABEL,
  NODE_ANNOTATIONS,
  SERVICE_NAME_LABEL,
  SOURCE_CLUSTER_LABEL,
} from './objects.ts';

/** The annotations that are read, by kind. */
const ANNOTATIONS: Partial<Record<ClusterObject['kind'], readonly string[]>> = {
  // When endpoints changed (core/v1 EndpointsLastChangeTriggerTime); how late we are is told from it.
  EndpointSlice: ['endpoints.kubernetes.io/last-change-trigger-time'],
  Node: NODE_ANNOTATIONS,
};

const ZONE_LABEL = 'topology.kubernetes.io/zone';

/** The labels that are read, by kind. Those of Services and namespaces may be selected by any. */
const LABELS: Partial<Record<ClusterObject['kind'], readonly string[]>> = {
  EndpointSlice: [SERVICE_NAME_LABEL, IMPORT_NAME_LABEL, SOURCE_CLUSTER_LABEL],
  Node: [ZONE_LABEL],
  Pod: [],
  ServiceCIDR: [],
  ServiceImport: [],
};

/**
 * The object without the labels and annotations that nobody reads. `kubectl apply` leaves all of an
 * object in an annotation, which would double what it takes.
 */
export function prune<T extends ClusterObject>(object: T): T {
  const { name, namespace, labels, annotations } = object.metadata;
  const names = LABELS[object.kind];
  return {
    ...object,
    metadata: {
      name,
      namespace,
      labels: names === undefined ? labels : pick(labels, names),
      annotations: pick(annotations, ANNOTATIONS[object.kind] ?? []),
    },
  };
}

const NONE: Readonly<Record<string, string>> = Object.freeze({});

function pick(
  from: Readonly<Record<string, string>>,
  names: readonly string[],
): Readonly<Record<string, string>> {
  const found = names.flatMap((name) => {
    const value = from[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return found.length === 0 ? NONE : Object.fromEntries(found);
}
