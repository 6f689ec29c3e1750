import { type Mac, tryParseMac } from '../../ipaddr/mac.ts';
import type { MasqueradeBackend } from '../masquerade/backend.ts';
import { parseMasquerade } from '../masquerade/masquerade.ts';
import { parseArgs } from '../protocol/args.ts';
import { ipamType } from '../protocol/delegate.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { Call } from '../protocol/plugin.ts';
import type { Dns } from '../protocol/result.ts';
import { decodeDns } from '../protocol/result-decode.ts';
import { type PortVlans, parseVlans } from './vlan.ts';

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
    throw new CniError(
      CNI_CODE.invalidConfig,
      'cannot set hairpin mode and promiscuous mode at the same time',
    );
  }
  const disableContainerInterface = fields.boolean('disableContainerInterface');
  if (disableContainerInterface && ipamType(call) !== '') {
    const text = 'cannot use IPAM when DisableContainerInterface flag is set';
    throw new CniError(CNI_CODE.invalidConfig, text);
  }
  const mtu = fields.integer('mtu');
  if (mtu !== undefined && mtu < 0) throw fields.wrong('mtu', 'a size in bytes', mtu);
  const dns = decodeDns(fields.object('dns'));
  return {
    bridge: fields.string('bridge') || 'cni0',
    isGateway: fields.boolean('isGateway') || isDefaultGateway,
    isDefaultGateway,
    forceAddress: fields.boolean('forceAddress'),
    mtu: mtu || undefined,
    hairpinMode,
    promiscMode,
    enabledad: fields.boolean('enabledad'),
    masquerade: parseMasquerade(fields),
    macspoofchk: fields.boolean('macspoofchk'),
    vlans: parseVlans(fields),
    disableContainerInterface,
    portIsolation: fields.boolean('portIsolation'),
    mac: parseMac(call),
    dns: Object.keys(dns).length === 0 ? undefined : dns,
    hasIpam: ipamType(call) !== '',
  };
}

/** The runtime's wish comes before args.cni, that before CNI_ARGS, that before the configuration. */
function parseMac(call: Call): Mac | undefined {
  const { fields } = call.config;
  const text =
    fields.object('runtimeConfig')?.string('mac') ||
    fields.object('args')?.object('cni')?.string('mac') ||
    parseArgs(call.environment.args, ['MAC', 'IP', 'GATEWAY']).get('MAC') ||
    fields.string('mac') ||
    '';
  if (text === '') return undefined;
  const mac = tryParseMac(text);
  if (mac === undefined) throw fields.wrong('mac', 'a MAC address', text);
  return mac;
}
