import type { EndpointTarget } from './endpoint.ts';

/**
 * The endpoints one connection is sent to, picked at random. All ways into one port of a Service that
 * may use the same endpoints share a pool, and with it the clients that stick to an endpoint.
 */
export interface Pool {
  /** `default/web:http TCP IPv4 cluster`: the port, and which of its endpoints. */
  readonly id: string;
  /** In the order of their addresses, each once. */
  readonly endpoints: readonly EndpointTarget[];
  /**
   * What happens while there is no endpoint: refused, or dropped where only this node lacks one, so
   * that a load balancer tries another node.
   */
  readonly whenEmpty: 'reject' | 'drop';
  /** How long a client stays with its endpoint after its last connection; 0: not at all. */
  readonly affinitySeconds: number;
}

/** Whether two pools mean the same. */
export function samePool(a: Pool, b: Pool): boolean {
  if (a === b) return true;
  if (a.id !== b.id || a.whenEmpty !== b.whenEmpty || a.affinitySeconds !== b.affinitySeconds) {
    return false;
  }
  return sameTargets(a.endpoints, b.endpoints);
}

/** Whether two lists of endpoints are equal, in their order too. */
export function sameTargets(a: readonly EndpointTarget[], b: readonly EndpointTarget[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  return a.every((endpoint, index) => {
    const other = b[index];
    return other !== undefined && sameTarget(endpoint, other);
  });
}

function sameTarget(a: EndpointTarget, b: EndpointTarget): boolean {
  return (
    a.port === b.port &&
    a.isLocal === b.isLocal &&
    a.mayMeetItself === b.mayMeetItself &&
    a.addr.equals(b.addr)
  );
}
