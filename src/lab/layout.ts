/* What the lab is made of: one node, two pods, and where its files are. */

/** All of the lab's files; `lab down` removes it. */
export const LAB_DIRECTORY = '/run/podwire-lab';

/** Where `ip netns` looks for namespaces. */
export const NETNS_DIRECTORY = '/run/netns';

/** The node's network namespace, as `ip netns` knows it. */
export const NODE = 'podwire-lab-node1';

/** One pod of the lab. */
export interface LabPod {
  readonly name: string;
  /** The name of its network namespace. */
  readonly netns: string;
  /** Addresses asked for, as the examples' EndpointSlices have them. */
  readonly ips: readonly string[];
}

export const PODS: readonly [LabPod, LabPod] = [
  { name: 'web-1', netns: 'podwire-lab-web-1', ips: ['10.244.0.10/24', 'fd00:244::10/64'] },
  { name: 'web-2', netns: 'podwire-lab-web-2', ips: ['10.244.0.11/24', 'fd00:244::11/64'] },
];

/** The port the pods' web server listens on. */
export const POD_PORT = 8080;

/** The path of a network namespace by its name. */
export function netnsPath(name: string): string {
  return `${NETNS_DIRECTORY}/${name}`;
}
