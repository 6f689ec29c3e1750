import { lockOverlay, reconcileOverlay } from '../../cni/vxlan/overlay/apply.ts';
import { removeDevices } from '../../cni/vxlan/overlay/device.ts';
import { type DeviceOwner, planOverlay } from '../../cni/vxlan/overlay/plan.ts';
import { findUnderlay } from '../../cni/vxlan/overlay/underlay.ts';
import type { Mac } from '../../ipaddr/mac.ts';
import { NftablesConnection } from '../../netlink/nftables/connection.ts';
import { RouteConnection } from '../../netlink/route/connection.ts';
import { addDirectRoutes, isDirect, removeDirectRoutes } from './direct-routes.ts';
import { ensureMasquerade, removeMasquerade } from './masquerade.ts';
import type { OverlayPlan, Tunnel } from './plan.ts';
import type { OverlaySettings } from './settings.ts';

const FAMILIES = [4, 6] as const;

/** The marks of the device that leads over an underlay of a family. Links of plugins have larger groups. */
const OWNER: { readonly [family in 4 | 6]: DeviceOwner } = {
  4: { group: 0x7077_04, alias: 'podwire:agent' },
  6: { group: 0x7077_06, alias: 'podwire:agent-v6' },
};

/** The connections to the kernel, in the node's namespace. */
export interface OverlayKernel {
  readonly route: RouteConnection;
  readonly nftables: NftablesConnection;
}

/** A device as it is now. */
export interface AppliedTunnel {
  readonly tunnel: Tunnel;
  readonly mac: Mac;
  /** In octets. */
  readonly mtu: number;
  /** Its index, and that of the underlay's link. */
  readonly links: readonly [number, number];
}

/**
 * Makes the overlay of the node what the plan says, and removes what it does not say. Gives the devices.
 * Throws OverlayError where something of others is in the way or the underlay is not there,
 * LockTimeoutError while a plugin is at it, and NetlinkError.
 */
export function applyPlan(
  { route, nftables }: OverlayKernel,
  plan: OverlayPlan,
  settings: OverlaySettings,
): AppliedTunnel[] {
  // Who has to wait lets the event loop go on, and comes again.
  using _lock = lockOverlay(0);
  const { id, directRouting } = settings;
  const direct = new Set(
    plan.tunnels.flatMap(({ local, peers }) => {
      const others = directRouting ? peers.filter(({ endpoint }) => !endpoint.equals(local)) : [];
      return others.filter((peer) => isDirect(route, peer));
    }),
  );
  removeDirectRoutes(route, direct);
  const applied = FAMILIES.flatMap((family) => {
    const tunnel = plan.tunnels.find((each) => each.family === family);
    if (tunnel === undefined) {
      removeDevices(route, OWNER[family]);
      return [];
    }
    const { local, subnets, peers } = tunnel;
    const { link } = findUnderlay(route, { local, master: settings.master });
    const node = {
      ...settings,
      // With the longest number it has the 15 octets a name may have (IFNAMSIZ).
      name: family === 4 ? `vxlan.${id}` : `vxlan6.${id}`,
      local,
      subnets,
      underlayIndex: link.index,
      underlayMtu: link.mtu,
      owner: OWNER[family],
    };
    const overlay = planOverlay(
      node,
      peers.filter((peer) => !direct.has(peer)),
    );
    const { index } = reconcileOverlay(route, overlay);
    const { mac, mtu } = overlay.device;
    return [{ tunnel, mac, mtu, links: [index, link.index] as const }];
  });
  addDirectRoutes(route, direct);
  if (settings.masquerade) ensureMasquerade(nftables, plan.subnets, settings.network);
  else removeMasquerade(nftables);
  return applied;
}

/**
 * Removes what is there of it in the namespace the thread is in. Gives the names of what was there. Throws
 * LockTimeoutError and NetlinkError.
 */
export function cleanupOverlay(): string[] {
  using route = RouteConnection.open();
  using nftables = NftablesConnection.open();
  using _lock = lockOverlay();
  const routes = removeDirectRoutes(route);
  const links = FAMILIES.flatMap((family) => removeDevices(route, OWNER[family]));
  return [
    ...(routes > 0 ? [`${routes} routes to nodes`] : []),
    ...links.map((name) => `link ${name}`),
    ...(removeMasquerade(nftables) ? ['table inet podwire-overlay'] : []),
  ];
}
