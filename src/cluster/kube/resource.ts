import type { ClusterObject } from '../objects.ts';

/** One kind of object that is followed. */
export interface Resource {
  readonly kind: ClusterObject['kind'];
  readonly apiVersion: string;
  readonly path: string;
  readonly fieldSelector?: string;
  /** The server may lack it, or refuse it, and everything else works. */
  readonly isOptional: boolean;
}

/** What is wanted of a cluster. */
export interface Wanted {
  /** The node this is. */
  readonly nodeName: string;
  /** Nodes: the overlay needs all. */
  readonly nodes: 'own' | 'all';
  /** Pods: for the names of all of them DNS needs all (`pods verified`). */
  readonly pods: 'none' | 'own' | 'all';
  /** ServiceImports (KEP-1645), for DNS's multicluster zones. */
  readonly imports: boolean;
}

/** Pods in other phases are over, and their addresses are others'. */
const LIVE_PODS = 'status.phase!=Succeeded,status.phase!=Failed,status.phase!=Unknown';

/** The resources that are followed for what is wanted. */
export function resourcesOf({ nodeName, nodes, pods, imports }: Wanted): Resource[] {
  return [
    { kind: 'Service', apiVersion: 'v1', path: '/api/v1/services', isOptional: false },
    {
      kind: 'EndpointSlice',
      apiVersion: 'discovery.k8s.io/v1',
      path: '/apis/discovery.k8s.io/v1/endpointslices',
      isOptional: false,
    },
    { kind: 'Namespace', apiVersion: 'v1', path: '/api/v1/namespaces', isOptional: false },
    {
      kind: 'Node',
      apiVersion: 'v1',
      path: '/api/v1/nodes',
      ...(nodes === 'all' ? {} : { fieldSelector: `metadata.name=${nodeName}` }),
      isOptional: true,
    },
    {
      // v1 since Kubernetes 1.33.
      kind: 'ServiceCIDR',
      apiVersion: 'networking.k8s.io/v1',
      path: '/apis/networking.k8s.io/v1/servicecidrs',
      isOptional: true,
    },
    ...(pods === 'none'
      ? []
      : [
          {
            kind: 'Pod' as const,
            apiVersion: 'v1',
            path: '/api/v1/pods',
            fieldSelector: pods === 'all' ? LIVE_PODS : `spec.nodeName=${nodeName},${LIVE_PODS}`,
            isOptional: true,
          },
        ]),
    ...(imports
      ? [
          {
            kind: 'ServiceImport' as const,
            apiVersion: 'multicluster.x-k8s.io/v1alpha1',
            path: '/apis/multicluster.x-k8s.io/v1alpha1/serviceimports',
            isOptional: true,
          },
        ]
      : []),
  ];
}
