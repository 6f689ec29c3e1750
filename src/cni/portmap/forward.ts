import type { Addr } from '../../ipaddr/addr.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';

/** IANA protocol numbers of the protocols that have ports. */
export const PROTOCOL = { tcp: 6, udp: 17, sctp: 132 } as const;
export type Protocol = keyof typeof PROTOCOL;

/** A port of the host that leads to a port of a pod, in one family. */
export interface Forward {
  readonly protocol: Protocol;
  /** The one address of the host it is about; without one it is about all. */
  readonly hostIp: Addr | undefined;
  readonly hostPort: number;
  readonly pod: Addr;
  readonly podPort: number;
}

/** Whether packets could be meant for either. */
export function overlaps(a: Forward, b: Forward): boolean {
  return (
    a.protocol === b.protocol &&
    a.hostPort === b.hostPort &&
    a.pod.family === b.pod.family &&
    (a.hostIp === undefined || b.hostIp === undefined || a.hostIp.equals(b.hostIp))
  );
}

/** Both ends, such as `tcp 192.0.2.1:8080 to 10.1.2.3:80`. */
export function describeForward(forward: Forward): string {
  const { pod, podPort } = forward;
  return `${describeHostPort(forward)} to ${withPort(pod, podPort)}`;
}

/** The host's end, such as `tcp 8080` or `tcp [2001:db8::1]:8080`. */
function describeHostPort({ protocol, hostIp, hostPort }: Forward): string {
  return `${protocol} ${hostIp === undefined ? hostPort : withPort(hostIp, hostPort)}`;
}

/** An address and a port, `192.0.2.1:80` or `[2001:db8::1]:80`. */
export function withPort(addr: Addr, port: number): string {
  return addr.family === 4 ? `${addr}:${port}` : `[${addr}]:${port}`;
}

/** The refusal of a host port that `holder` has. */
export function portTaken(forward: Forward, holder: string): CniError {
  return new CniError(
    CNI_CODE.internal,
    `host port ${describeHostPort(forward)} is taken by ${holder}`,
    `wanted for ${withPort(forward.pod, forward.podPort)}`,
  );
}
