import type { RouteConnection } from '../../netlink/route/connection.ts';
import {
  type BridgeVlan,
  bridgeVlanAdd,
  bridgeVlanDel,
  bridgeVlanList,
  type Link,
} from '../../netlink/route/link.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { Fields } from '../protocol/fields.ts';
import { refusal } from './refusal.ts';

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
    const text = `invalid VLAN ID ${vlan} (must be between 0 and ${VID_MAX})`;
    throw refusal(text, fields.wrong('vlan', `a number from 0 to ${VID_MAX}`, vlan));
  }
  const hasTrunk = fields.value('vlanTrunk') !== undefined;
  return {
    vlan,
    trunk: hasTrunk ? fields.objects('vlanTrunk').flatMap(parseTrunk) : undefined,
    preserveDefault: fields.boolean('preserveDefaultVlan'),
  };
}

/** `{id}`, `{minID, maxID}`, or both. */
function parseTrunk(item: Fields): BridgeVlan[] {
  const id = trunkId(item, 'id');
  const min = trunkId(item, 'minID');
  const max = trunkId(item, 'maxID');
  if ((min === undefined) !== (max === undefined)) {
    const lost = min === undefined ? 'minID' : 'maxID';
    const text = `minID and maxID should be configured simultaneously, ${lost} is missing`;
    throw refusal(text, item.wrong(lost, `a VLAN from 1 to ${VID_MAX}`, undefined));
  }
  if (min !== undefined && max !== undefined && min > max) {
    const text = 'minID is greater than maxID in trunk parameter';
    throw refusal(text, item.wrong('minID', `a VLAN up to maxID, ${max}`, min));
  }
  return [
    ...(min === undefined ? [] : [{ vid: min, vidEnd: max }]),
    ...(id === undefined ? [] : [{ vid: id }]),
  ];
}

function trunkId(item: Fields, name: string): number | undefined {
  const value = item.integer(name);
  if (value === undefined || (value > 0 && value <= VID_MAX)) return value;
  const text = `incorrect trunk ${name} parameter`;
  throw refusal(text, item.wrong(name, `a VLAN from 1 to ${VID_MAX}`, value));
}

/** Whether the bridge has to tell VLANs apart. */
export function needsFiltering({ vlan, trunk }: PortVlans): boolean {
  return vlan !== 0 || trunk !== undefined;
}

/** The name of the link with the gateway of a VLAN. */
export function vlanGatewayName(bridge: string, { vlan }: PortVlans): string {
  return `${bridge}.${vlan}`;
}

/** Puts a port of the bridge into its VLANs. */
export function setPortVlans(host: RouteConnection, linkIndex: number, vlans: PortVlans): void {
  if (!isTagged(vlans)) return;
  const place = { linkIndex };
  if (!vlans.preserveDefault) {
    const present = bridgeVlanList(host).get(linkIndex) ?? [];
    if (present.length > 0) bridgeVlanDel(host, place, present);
  }
  bridgeVlanAdd(host, place, wantedVlans(vlans));
}

/** Throws CniError when the port is not in its VLANs, or in others that nobody asked for. */
export function checkPortVlans(host: RouteConnection, port: Link, vlans: PortVlans): void {
  if (!isTagged(vlans)) return;
  const actual = byVid(bridgeVlanList(host).get(port.index) ?? []);
  const wanted = byVid(wantedVlans(vlans));
  for (const [vid, how] of wanted) {
    const found = actual.get(vid);
    if (found === how) continue;
    const text = `interface "${port.name}" is ${found ?? 'not'} in VLAN ${vid}, expected ${how}`;
    throw new CniError(CNI_CODE.internal, text);
  }
  // Which VLAN a bridge starts its ports in is the bridge's to say.
  const added = vlans.preserveDefault ? undefined : actual.keys().find((vid) => !wanted.has(vid));
  if (added === undefined) return;
  const text = `interface "${port.name}" is in VLAN ${added}, expected it not to be`;
  throw new CniError(CNI_CODE.internal, text);
}

function isTagged({ vlan, trunk = [] }: PortVlans): boolean {
  return vlan !== 0 || trunk.length > 0;
}

/** The pod's own comes last: what is in the trunk as well stays untagged. */
function wantedVlans({ vlan, trunk = [] }: PortVlans): BridgeVlan[] {
  // Without one of its own, what comes untagged belongs to the default VLAN.
  return [...trunk, { vid: vlan || DEFAULT_VID, pvid: true, untagged: true }];
}

/** How a port is in each of its VLANs. */
function byVid(vlans: readonly BridgeVlan[]): Map<number, 'untagged' | 'tagged'> {
  const all = new Map<number, 'untagged' | 'tagged'>();
  for (const { vid, vidEnd = vid, pvid, untagged } of vlans) {
    const how = pvid === true && untagged === true ? 'untagged' : 'tagged';
    for (let each = vid; each <= vidEnd; each += 1) all.set(each, how);
  }
  return all;
}
