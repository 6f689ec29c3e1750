import type { Prefix } from '../../ipaddr/prefix.ts';
import { RouteConnection } from '../../netlink/route/connection.ts';
import type { Link } from '../../netlink/route/link.ts';
import { LockTimeoutError } from '../../sys/flock.ts';
import { masqueradeAdd, masqueradeCheck } from '../masquerade/masquerade.ts';

import { linkGroup, networkAlias, ownerOf } from '../pod-interface/owner.ts';
import { CNI_CODE, CniError, toCniError } from '../protocol/error.ts';
import type { Call, Plugin } from '../protocol/plugin.ts';
import { ipsOf, type Result } from '../protocol/result.ts';
import {
  checkSubnets,
  misconfigured,
  parseVxlanConfig,
  readPeers,
  type VxlanConfig,
  withinNetwork,
} from './config.ts';
import { lockOverlay, pruneOverlay, reconcileOverlay } from './overlay/apply.ts';
import { checkOverlay } from './overlay/check.ts';
import { findConflict } from './overlay/conflict.ts';
import { findDevice } from './overlay/device.ts';
import {
  type Overlay,
  type OverlayNode,
  othersThan,
  overlayMtu,
  planOverlay,
  subnetsOf,
} from './overlay/plan.ts';
import { findUnderlay } from './overlay/underlay.ts';

/** Least MTU of a link with IPv6 (RFC 8200 section 5) and with IPv4 (RFC 791). */
const MTU_MIN = { 4: 68, 6: 1280 } as const;

/**
 * Joins the node to a VXLAN overlay and wires the pod by `wiring`, a plugin that gives it its
 * interface, addresses and way to the node.
 */
export function vxlanPlugin(wiring: Plugin): Plugin {
  return {
    type: 'vxlan',
    about: 'vxlan (podwire): wires a pod to an overlay network of many nodes',

    add(call) {
      const config = parseVxlanConfig(call);
      using host = RouteConnection.open();
      const overlay = locked(() => {
        const desired = planFor(call, config, host);
        reconcileOverlay(host, desired);
        return desired;
      });
      const wired = wiringCall(call, config, overlay);
      using undo = new DisposableStack();
      const result = wiring.add(wired);
      undo.defer(() => wiring.del(wired));
      if (config.masquerade !== undefined) {
        masqueradeAdd(config.masquerade, sources(call, config, result), ownerOf(call));
      }
      undo.move();
      return result;
    },

    // The overlay stays, for the node itself and other pods; `wiring` removes masquerading, too.
    del: (call) => wiring.del(call),

    check(call) {
      const config = parseVxlanConfig(call);
      using host = RouteConnection.open();
      const overlay = planFor(call, config, host);
      const wrong = checkOverlay(host, overlay);
      if (wrong !== undefined) throw new CniError(CNI_CODE.internal, wrong);
      wiring.check(wiringCall(call, config, overlay));
      const { prevResult } = call.config;
      if (config.masquerade === undefined || prevResult === undefined) return;
      masqueradeCheck(config.masquerade, sources(call, config, prevResult), ownerOf(call));
    },

    gc(call, valid) {
      using rest = new DisposableStack();
      rest.defer(() => wiring.gc?.(call, valid));
      const config = parseVxlanConfig(call);
      using host = RouteConnection.open();
      locked(() => pruneOverlay(host, planFor(call, config, host)));
    },

    status(call) {
      const config = parseVxlanConfig(call);
      config.masquerade?.status();
      let overlay: Overlay;
      try {
        using host = RouteConnection.open();
        overlay = planFor(call, config, host);
        findDevice(host, overlay.device);
      } catch (error) {
        const { message, details } = toCniError(error);
        throw new CniError(CNI_CODE.notAvailable, message, details, { cause: error });
      }
      wiring.status?.(wiringCall(call, config, overlay));
    },
  };
}

/** The overlay that the configuration, the peers and the underlay as it is now come to. */
function planFor(call: Call, config: VxlanConfig, host: RouteConnection): Overlay {
  const nodes = readPeers(call, config);
  const { link, local } = findUnderlay(host, config);
  const said = config.subnets.length > 0 ? config.subnets : subnetsOf(local, nodes);
  // GC is not told the runtime's ranges, and must not take a family for one that nobody has.
  const subnets = call.environment.verb === 'GC' ? [] : said;
  checkSubnets(call, config, subnets);
  const { name } = call.config;
  const node: OverlayNode = {
    ...config,
    subnets,
    local,
    underlayIndex: link.index,
    underlayMtu: link.mtu,
    owner: { group: linkGroup(name), alias: networkAlias(name) },
  };
  const conflict = findConflict(node, othersThan(local, nodes));
  if (conflict !== undefined) throw misconfigured(conflict);
  const overlay = planOverlay(node, nodes);
  checkMtu(call, config, node, overlay, link);
  return overlay;
}

function checkMtu(
  { config: { fields } }: Call,
  { mtu }: VxlanConfig,
  node: OverlayNode,
  { device }: Overlay,
  underlay: Link,
): void {
  const min = MTU_MIN[device.families.has(6) ? 6 : 4];
  const max = overlayMtu(node);
  if (max < min) {
    const least = underlay.mtu - max + min;
    throw misconfigured(`underlay "${underlay.name}" has MTU ${underlay.mtu}, expected ${least}`);
  }
  if (device.mtu < min || device.mtu > max) {
    throw fields.wrong('mtu', `a size from ${min} to ${max}`, mtu);
  }
}

/** The call as `wiring` gets it. */
function wiringCall(call: Call, config: VxlanConfig, { device }: Overlay): Call {
  const { isGateway, isDefaultGateway } = config;
  // Packets between nodes must not be masqueraded, and only here is it known which are.
  const own = { isGateway, isDefaultGateway, mtu: device.mtu, ipMasq: false };
  return { ...call, config: { ...call.config, fields: call.config.fields.with(own) } };
}

/** The pod's addresses, each with the network inside which it is not masqueraded. */
function sources({ environment }: Call, config: VxlanConfig, result: Result): Prefix[] {
  return ipsOf(result, environment.ifName).map(({ address }) => withinNetwork(config, address));
}

function locked<T>(work: () => T): T {
  try {
    using _lock = lockOverlay();
    return work();
  } catch (error) {
    if (!(error instanceof LockTimeoutError)) throw error;
    throw new CniError(CNI_CODE.tryAgainLater, error.message);
  }
}
