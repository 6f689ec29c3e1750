import { setTimeout } from 'node:timers/promises';
import { PodwireError } from '../../errors.ts';
import type { Addr } from '../../ipaddr/addr.ts';
import { Mac } from '../../ipaddr/mac.ts';
import { NetlinkError } from '../../netlink/error.ts';
import { RouteConnection } from '../../netlink/route/connection.ts';
import { linkByIndex, linkByName, linkList } from '../../netlink/route/link/find.ts';
import type { Link } from '../../netlink/route/link/link.ts';
import { linkSet } from '../../netlink/route/link/verbs.ts';
import { routeGet } from '../../netlink/route/route/find.ts';
import { tapOpen } from '../../sys/tap.ts';
import type { LocalDetector } from '../model/settings.ts';
import { type Probe, probeFrame } from './probe-frame.ts';

const NAME = 'podwire-trace';
const NAME_LENGTH_MAX = 15; // IFNAMSIZ - 1
/** A port of a bridge forwards this soon after it comes up, if it ever does. */
const PORT_TIMEOUT_MS = 2_000;
/** A bridge takes the lowest address of its ports for its own; this is never the lowest. */
const PORT_MAC = Mac.fromBytes(Uint8Array.of(0xfe, 0xff, 0xff, 0xff, 0xff, 0xfe));
const SENDER_MAC = Mac.fromBytes(Uint8Array.of(0xfe, 0xff, 0xff, 0xff, 0xff, 0xfd));

/** A packet can't be put in here. */
export class InjectError extends PodwireError {
  constructor(problem: string, options?: ErrorOptions) {
    super('ERR_PROXY_INJECT', problem, options);
  }
}

/**
 * Has the kernel receive the first packet of a connection as if a pod or somebody outside had sent it:
 * by a tap link that is made for it and goes with it, in a pod's case as a port of the bridge that leads
 * to the pod. Resolves when the kernel is done with the packet. Throws InjectError.
 */
export async function injectProbe(
  probe: Probe,
  isFromPod: boolean,
  detector: LocalDetector,
): Promise<void> {
  const named =
    isFromPod && detector.kind === 'interface-prefix' ? `${detector.prefix}trace` : NAME;
  const name = named.slice(0, NAME_LENGTH_MAX);
  using connection = RouteConnection.open();
  using tap = openTap(name);
  const link = linkByName(connection, name);
  if (link?.mac === undefined) throw new InjectError(`link ${name} went away`);
  const bridge = isFromPod ? bridgeOf(connection, probe.source, detector) : undefined;
  if (bridge?.mac === undefined) {
    linkSet(connection, link.index, { up: true });
    tap.write(probeFrame(probe, SENDER_MAC, link.mac));
    return;
  }
  // One without any port would take the address of this one, and lose it again; and no pod is on it.
  if (linkList(connection, { master: bridge.index }).length === 0) {
    throw new InjectError(`no pod is on bridge ${bridge.name}: it has no ports`);
  }
  linkSet(connection, link.index, { mac: PORT_MAC });
  linkSet(connection, link.index, { master: bridge.index, up: true });
  const end = performance.now() + PORT_TIMEOUT_MS;
  while (linkByIndex(connection, link.index)?.bridgePort?.state !== 'forwarding') {
    if (performance.now() > end)
      throw new InjectError(`a port of ${bridge.name} does not come to forward`);
    await setTimeout(5);
  }
  tap.write(probeFrame(probe, SENDER_MAC, bridge.mac));
}

function openTap(name: string): ReturnType<typeof tapOpen> {
  try {
    return tapOpen({ name, mode: 'tap' });
  } catch (error) {
    throw new InjectError(`no tap link can be made: ${(error as Error).message}`, { cause: error });
  }
}

/** The bridge that leads to a pod, if one does. */
function bridgeOf(
  connection: RouteConnection,
  pod: Addr,
  detector: LocalDetector,
): Link | undefined {
  if (detector.kind === 'bridge') {
    const bridge = linkByName(connection, detector.name);
    if (bridge === undefined) throw new InjectError(`there is no bridge ${detector.name}`);
    return bridge;
  }
  try {
    const route = routeGet(connection, { dst: pod });
    const oif = route?.linkIndex;
    const link = oif === undefined ? undefined : linkByIndex(connection, oif);
    return link?.kind === 'bridge' ? link : undefined;
  } catch (error) {
    // A route that refuses it: then the packet comes by itself.
    if (error instanceof NetlinkError) return undefined;
    throw error;
  }
}
