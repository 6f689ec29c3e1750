import type { Addr } from '../../ipaddr/addr.ts';
import { ConntrackConnection, flowDelete, flowList } from '../../netlink/conntrack/connection.ts';
import type { Flow } from '../../netlink/conntrack/flow.ts';
import { netlinkErrno } from '../../netlink/error.ts';
import { addrList } from '../../netlink/route/addr.ts';
import { RouteConnection } from '../../netlink/route/connection.ts';
import { EINVAL } from '../../sys/errno.ts';
import { type Forward, PROTOCOL } from './forward.ts';

/*
 * A client of UDP that keeps its source port goes on in the flow it has, whatever the rules say by
 * now: to the pod that had the port before, or to the host itself. TCP begins again.
 */

/** Forgets the UDP flows to host ports that do not go where the forwards lead. */
export function forgetFlowsElsewhere(forwards: readonly Forward[]): void {
  const datagrams = forwards.filter(({ protocol }) => protocol === 'udp');
  if (datagrams.length === 0) return;
  using route = RouteConnection.open();
  const local = new Set(addrList(route).map(({ prefix }) => prefix.addr.key));
  forget(datagrams, ({ original, reply }, { hostIp, pod, podPort }) => {
    const { destination } = original;
    const isMeant =
      hostIp === undefined
        ? isLoopback(destination) || local.has(destination.key)
        : hostIp.equals(destination);
    return isMeant && !(reply.source.equals(pod) && reply.sourcePort === podPort);
  });
}

/** Forgets the UDP flows that went where the forwards led. */
export function forgetFlowsThere(forwards: readonly Forward[]): void {
  const datagrams = forwards.filter(({ protocol }) => protocol === 'udp');
  if (datagrams.length === 0) return;
  forget(datagrams, ({ reply }, { pod, podPort }) => {
    return reply.source.equals(pod) && reply.sourcePort === podPort;
  });
}

function forget(
  forwards: readonly Forward[],
  isStale: (flow: Flow, forward: Forward) => boolean,
): void {
  try {
    using connection = ConntrackConnection.open();
    for (const forward of forwards) {
      const original = { protocol: PROTOCOL.udp, destinationPort: forward.hostPort };
      const flows = flowList(connection, { family: forward.pod.family, original });
      for (const flow of flows.filter((each) => isStale(each, forward))) {
        flowDelete(connection, flow);
      }
    }
  } catch (error) {
    // A kernel that does not let flows be listed.
    if (netlinkErrno(error) !== EINVAL) throw error;
  }
}

function isLoopback(addr: Addr): boolean {
  return addr.family === 4 && addr.w3 >>> 24 === 127;
}
