import { bitsOf } from '../../flags.ts';
import { NFPROTO } from '../family.ts';
import type { Expression } from './expression.ts';
import { register } from './register.ts';

/** NF_NAT_RANGE_* (linux/netfilter/nf_nat.h), by nft(8)'s names. */
const NAT_FLAG = { random: 0x04, persistent: 0x08, 'fully-random': 0x10 } as const;
const NF_NAT_RANGE_MAP_IPS = 0x01;
const NF_NAT_RANGE_PROTO_SPECIFIED = 0x02;

/** How addresses and ports are chosen. */
export type NatFlag = keyof typeof NAT_FLAG;

/** Where a translation takes the new port from: registers in network order. */
export interface NatPorts {
  readonly portWord?: number;
  /** The last port of a range; without one the range is the one port. */
  readonly portMaxWord?: number;
  readonly flags?: readonly NatFlag[];
}

/** Where a translation takes the new address and port from. */
export interface NatTarget extends NatPorts {
  readonly family: 'ip' | 'ip6';
  readonly addressWord?: number;
  readonly addressMaxWord?: number;
}

/** Gives the connection another source, in a chain of type nat at postrouting or input. */
export function sourceNat(target: NatTarget): Expression {
  return nat(0, target); // NFT_NAT_SNAT
}

/** Sends the connection elsewhere, in a chain of type nat at prerouting or output. */
export function destinationNat(target: NatTarget): Expression {
  return nat(1, target); // NFT_NAT_DNAT
}

function nat(type: number, target: NatTarget): Expression {
  const { family, addressWord, addressMaxWord = addressWord } = target;
  const addresses =
    addressWord === undefined || addressMaxWord === undefined
      ? {}
      : {
          addressRegister: register(addressWord),
          addressMaxRegister: register(addressMaxWord),
        };
  const flags = addressWord === undefined ? 0 : NF_NAT_RANGE_MAP_IPS;
  return {
    name: 'nat',
    data: { nat: { type, family: NFPROTO[family], ...addresses, ...ports(target, flags) } },
  };
}

/** Gives the connection the address of the interface it leaves by as its source. */
export function masquerade(options: NatPorts = {}): Expression {
  return { name: 'masq', data: { masq: ports(options, 0) } };
}

/** Sends the connection to this node itself. */
export function redirect(options: NatPorts = {}): Expression {
  return { name: 'redir', data: { redir: ports(options, 0) } };
}

/** The registers of the ports and the flags, which the kernel lists only when there are any. */
function ports(
  options: NatPorts,
  otherFlags: number,
): {
  readonly portRegister?: number;
  readonly portMaxRegister?: number;
  readonly flags?: number;
} {
  const { portWord, portMaxWord = portWord, flags: names = [] } = options;
  const specified = portWord === undefined ? 0 : NF_NAT_RANGE_PROTO_SPECIFIED;
  const flags = otherFlags | specified | bitsOf(NAT_FLAG, names);
  const registers =
    portWord === undefined || portMaxWord === undefined
      ? {}
      : { portRegister: register(portWord), portMaxRegister: register(portMaxWord) };
  return { ...registers, ...(flags === 0 ? {} : { flags }) };
}

/** Hands the packet to a socket of this node, which must be transparent; ends nothing. */
export function transparentProxy(
  family: 'ip' | 'ip6',
  words: { readonly addressWord?: number; readonly portWord?: number },
): Expression {
  const { addressWord, portWord } = words;
  const tproxy = {
    family: NFPROTO[family],
    ...(addressWord === undefined ? {} : { addressRegister: register(addressWord) }),
    ...(portWord === undefined ? {} : { portRegister: register(portWord) }),
  };
  return { name: 'tproxy', data: { tproxy } };
}
