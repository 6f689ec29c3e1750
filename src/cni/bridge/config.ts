import { type Mac, tryParseMac } from '../../ipaddr/mac.ts';
import type { MasqueradeBackend } from '../masquerade/backend.ts';
import { parseMasquerade } from '../masquerade/masquerade.ts';
import { parseArgs } from '../protocol/args.ts';
import { hasIpam } from '../protocol/delegate.ts';
import { checkIfName } from '../protocol/environment.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import { Fields } from '../protocol/fields.ts';
import type { Call } from '../protocol/plugin.ts';
import type { Dns } from '../protocol/result.ts';
import { decodeDns } from '../protocol/result-decode.ts';
import { refusal } from './refusal.ts';
import { type PortVlans, parseVlans, vlanGatewayName } from './vlan.ts';

/** What the kernel takes for a veth (ETH_MIN_MTU and ETH_MAX_MTU, linux/if_ether.h). */
const MTU_MIN_BYTES = 68;
const MTU_MAX_BYTES = 65535;

/** The bridge plugin's own fields. */
export interface BridgeConfig {
  /** Name of the bridge. */
  readonly bridge: string;
  /** The bridge gets the gateways' addresses. */
  readonly isGateway: boolean;
  /** The pod's default route leads to the gateway. */
  readonly isDefaultGateway: boolean;
  /** Another address on the bridge is replaced instead of an error. */
  readonly forceAddress: boolean;
  readonly mtu: number | undefined;
  readonly hairpinMode: boolean;
  readonly promiscMode: boolean;
  /** Duplicate address detection for IPv6; it costs one to two seconds. */
  readonly enabledad: boolean;
  /** What hides the pod's addresses behind the node's; undefined when nothing does. */
  readonly masquerade: MasqueradeBackend | undefined;
  /** What the pod sends under another MAC address than its own is dropped. */
  readonly macspoofchk: boolean;
  readonly vlans: PortVlans;
  /** The pod's interface is left down, for others to bring up. */
  readonly disableContainerInterface: boolean;
  /** Pods may talk to the bridge but not to one another. */
  readonly portIsolation: boolean;
  /** The pod's MAC address, or the kernel's choice. */
  readonly mac: Mac | undefined;
  /** Replaces what IPAM says when it says anything. */
  readonly dns: Dns | undefined;
  /** Without IPAM the pod gets an interface and no address. */
  readonly hasIpam: boolean;
}

/** Reads the configuration. Throws CniError. */
export function parseBridgeConfig(call: Call): BridgeConfig {
  const { fields } = call.config;
  const isDefaultGateway = fields.boolean('isDefaultGateway');
  const hairpinMode = fields.boolean('hairpinMode');
  const promiscMode = fields.boolean('promiscMode');
  if (hairpinMode && promiscMode) {
    const text = 'cannot set hairpin mode and promiscuous mode at the same time';
    throw refusal(text, fields.wrong('promiscMode', 'false where hairpinMode is true', true));
  }
  const disableContainerInterface = fields.boolean('disableContainerInterface');
  const usesIpam = hasIpam(call);
  if (disableContainerInterface && usesIpam) {
    const text = 'cannot use IPAM when DisableContainerInterface flag is set';
    const expected = 'false where there is IPAM';
    throw refusal(text, fields.wrong('disableContainerInterface', expected, true));
  }
  const dns = decodeDns(fields.object('dns'));
  const bridge = parseBridgeName(fields);
  const vlans = parseVlans(fields);
  const isGateway = fields.boolean('isGateway') || isDefaultGateway;
  if (isGateway && usesIpam && vlans.vlan !== 0 && !isIfName(vlanGatewayName(bridge, vlans))) {
    throw fields.wrong('bridge', `a name with room for ".${vlans.vlan}" in 15 bytes`, bridge);
  }
  return {
    bridge,
    isGateway,
    isDefaultGateway,
    forceAddress: fields.boolean('forceAddress'),
    mtu: parseMtu(fields),
    hairpinMode,
    promiscMode,
    enabledad: fields.boolean('enabledad'),
    masquerade: parseMasquerade(fields),
    macspoofchk: fields.boolean('macspoofchk'),
    vlans,
    disableContainerInterface,
    portIsolation: fields.boolean('portIsolation'),
    mac: parseMac(call),
    dns: Object.keys(dns).length === 0 ? undefined : dns,
    hasIpam: usesIpam,
  };
}

function parseBridgeName(fields: Fields): string {
  const name = fields.string('bridge') || 'cni0';
  if (isIfName(name)) return name;
  throw fields.wrong('bridge', "a link's name: 1 to 15 bytes without / : and space", name);
}

function isIfName(name: string): boolean {
  try {
    checkIfName(name);
    return true;
  } catch {
    return false;
  }
}

function parseMtu(fields: Fields): number | undefined {
  const mtu = fields.integer('mtu') || undefined;
  if (mtu !== undefined && (mtu < MTU_MIN_BYTES || mtu > MTU_MAX_BYTES)) {
    const sizes = `0 or ${MTU_MIN_BYTES} to ${MTU_MAX_BYTES} bytes`;
    throw fields.wrong('mtu', sizes, mtu);
  }
  return mtu;
}

/** The runtime's wish comes before args.cni, that before CNI_ARGS, that before the configuration. */
function parseMac({ config, environment }: Call): Mac | undefined {
  const { fields } = config;
  const args = parseArgs(environment.args, ['MAC', 'IP', 'GATEWAY']);
  return (
    macOf(fields.object('runtimeConfig')) ??
    macOf(fields.object('args')?.object('cni')) ??
    macOf(new Fields({ MAC: args.get('MAC') }, 'CNI_ARGS'), 'MAC', CNI_CODE.invalidEnvironment) ??
    macOf(fields)
  );
}

function macOf(
  fields: Fields | undefined,
  name = 'mac',
  code: number = CNI_CODE.invalidConfig,
): Mac | undefined {
  const text = fields?.string(name);
  if (fields === undefined || text === undefined || text === '') return undefined;
  const mac = tryParseMac(text);
  // The kernel gives no link the address of a group, nor none.
  if (mac !== undefined && !mac.isMulticast && mac.key !== 0) return mac;
  const expected = "one interface's MAC address, such as 0a:58:0a:f4:00:02";
  throw new CniError(code, fields.wrong(name, expected, text).message);
}
