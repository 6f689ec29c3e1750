import type { Endpoint, EndpointSlice, ServicePort } from '../../cluster/objects.ts';
import type { Addr } from '../../ipaddr/addr.ts';
import { tryParseAddrLenient } from '../../ipaddr/parse-addr.ts';

/** More endpoints of one port than this are left out; discovery.k8s.io has 1000 to a slice. */
export const ENDPOINTS_MAX = 32_768;

/** Where a connection may be sent. */
export interface EndpointTarget {
  readonly addr: Addr;
  readonly port: number;
  /** Whether it is on this node. */
  readonly isLocal: boolean;
  /** Whether it can meet itself through this node's rules: it is here, or nobody says where it is. */
  readonly mayMeetItself: boolean;
}

/** An endpoint of a Service's port, with what decides whether it gets traffic. */
export interface Candidate extends EndpointTarget {
  readonly isReady: boolean;
  /** It is being deleted, and still answers. */
  readonly isLeaving: boolean;
  /** It answers, as far as anybody says: what was sent to it before may go on. */
  readonly isServing: boolean;
  readonly zones: readonly string[] | undefined;
  readonly nodes: readonly string[] | undefined;
}

/**
 * The endpoints of a Service's port in one family, by address and port, each once; of an endpoint that
 * is in several slices the local copy counts, else the first. A slice's port belongs to the Service's
 * port of the same name, whatever its number.
 */
export function candidatesOf(
  { name, protocol }: ServicePort,
  family: 4 | 6,
  slices: readonly EndpointSlice[],
  nodeName: string,
): readonly Candidate[] {
  const candidates = new Map<string, Candidate>();
  for (const slice of slices) {
    if (slice.addressType !== `IPv${family}`) continue;
    for (const { port, ...slicePort } of slice.ports) {
      if (slicePort.name !== name || slicePort.protocol !== protocol || port === undefined)
        continue;
      for (const endpoint of slice.endpoints) {
        // The API promises that all addresses of an endpoint are the same one; the first counts.
        const addr = tryParseAddrLenient(endpoint.addresses[0] ?? '');
        if (addr?.family !== family) continue;
        const isLocal = nodeName !== '' && endpoint.nodeName === nodeName;
        const key = `${addr.key} ${port}`;
        const known = candidates.has(key);
        if (known ? !isLocal : candidates.size >= ENDPOINTS_MAX) continue;
        candidates.set(key, candidateOf(endpoint, addr, port, isLocal, nodeName === ''));
      }
    }
  }
  return [...candidates.values()].sort((a, b) => a.addr.compare(b.addr) || a.port - b.port);
}

/** Absent conditions are: ready, serving, not terminating (discovery.k8s.io/v1 EndpointConditions). */
function candidateOf(
  { conditions, hints, nodeName }: Endpoint,
  addr: Addr,
  port: number,
  isLocal: boolean,
  isAnywhere: boolean,
): Candidate {
  const { ready = true, serving = true, terminating = false } = conditions;
  return {
    addr,
    port,
    isLocal,
    mayMeetItself: isLocal || isAnywhere || nodeName === undefined,
    isReady: ready,
    isLeaving: serving && terminating,
    isServing: ready || serving,
    zones: hints?.forZones,
    nodes: hints?.forNodes,
  };
}

/** `10.0.0.1:80` or `[fd00::1]:80`. */
export function formatEndpoint({ addr, port }: Pick<EndpointTarget, 'addr' | 'port'>): string {
  return addr.family === 6 ? `[${addr}]:${port}` : `${addr}:${port}`;
}
