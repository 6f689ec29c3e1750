import type { RouteConnection } from '../../netlink/route/connection.ts';
import {
  type BridgeVlan,
  bridgeVlanAdd,
  bridgeVlanDel,
  bridgeVlanList,
} from '../../netlink/route/link/bridge-vlan.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { Fields } from '../protocol/fields.ts';

const VID_MAX = 4094;
const DEFAULT_VID = 1;

/** The VLANs of a pod's port. */
export interface PortVlans {
  /** The pod's own: what it sends and gets untagged; 0 for none. */
  readonly vlan: number;
  /** What it may send and get tagged; undefined where nothing is said of any. */
  readonly trunk: readonly BridgeVlan[] | undefined;
  /** The port stays in the bridge's default VLAN as well. */
  readonly preserveDefault: boolean;
}

/** Reads `vlan`, `vlanTrunk` and `preserveDefaultVlan`. Throws CniError. */
export function parseVlans(fields: Fields): PortVlans {
  const vlan = fields.integer('vlan') ?? 0;
  if (vlan < 0 || vlan > VID_MAX) {
    throw invalid(`invalid VLAN ID ${vlan} (must be between 0 and ${VID_MAX})`, `vlan: ${vlan}`);
  }
  const hasTrunk = fields.value('vlanTrunk') !== undefined;
  return {
    vlan,
    trunk: hasTrunk ? fields.objects('vlanTrunk').flatMap(parseTrunk) : undefined,
    preserveDefault:
      fields.value('preserveDefaultVlan') === undefined || fields.boolean('preserveDefaultVlan'),
  };
}

/** `{id}`, `{minID, maxID}`, or both. */
function parseTrunk(item: Fields): BridgeVlan[] {
  const id = trunkId(item, 'id');
  const min = trunkId(item, 'minID');
  const max = trunkId(item, 'maxID');
  if ((min === undefined) !== (max === undefined)) {
    const lost = min === undefined ? 'minID' : 'maxID';
    throw invalid(`minID and maxID should be configured simultaneously, ${lost} is missing`);
  }
  if (min !== undefined && max !== undefined && min > max) {
    throw invalid('minID is greater than maxID in trunk parameter', `minID ${min}, maxID ${max}`);
  }
  return [
    ...(min === undefined ? [] : [{ vid: min, vidEnd: max }]),
    ...(id === undefined ? [] : [{ vid: id }]),
  ];
}

function trunkId(item: Fields, name: string): number | undefined {
  const value = item.integer(name);
  if (value === undefined || (value > 0 && value <= VID_MAX)) return value;
  throw invalid(`incorrect trunk ${name} parameter`, `expected 1 to ${VID_MAX}, got ${value}`);
}

/** Whether the bridge has to tell VLANs apart. */
export function needsFiltering({ vlan, trunk }: PortVlans): boolean {
  return vlan !== 0 || trunk !== undefined;
}

/** Puts a port of the bridge into its VLANs. */
export function setPortVlans(host: RouteConnection, linkIndex: number, vlans: PortVlans): void {
  const { vlan, trunk = [], preserveDefault } = vlans;
  if (vlan === 0 && trunk.length === 0) return;
  const place = { linkIndex };
  if (!preserveDefault) {
    const present = bridgeVlanList(host).get(linkIndex) ?? [];
    if (present.length > 0) bridgeVlanDel(host, place, present);
  }
  const untagged = { pvid: true, untagged: true };
  if (vlan !== 0) bridgeVlanAdd(host, place, [{ vid: vlan, ...untagged }]);
  // Without one of its own, what comes untagged belongs to the default VLAN.
  else bridgeVlanAdd(host, place, [{ vid: DEFAULT_VID, ...untagged }]);
  if (trunk.length > 0) bridgeVlanAdd(host, place, trunk);
}

function invalid(message: string, details = ''): CniError {
  return new CniError(CNI_CODE.invalidConfig, message, details);
}
