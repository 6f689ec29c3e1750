import { openSync } from 'node:fs';
import { Fd } from './fd.ts';
import { IFREQ_UNION, interfaceRequest } from './interface-request.ts';
import { check, libc } from './libc.ts';

/* linux/if_tun.h */
const TUNSETIFF = 0x400454can;
const TUNSETPERSIST = 0x400454cbn;
const TUNSETOWNER = 0x400454ccn;
const TUNSETGROUP = 0x400454cen;
const IFF_TUN = 0x1;
const IFF_TAP = 0x2;
const IFF_MULTI_QUEUE = 0x100;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
const IFF_TUN_EXCL = 0x8000;

/** What a tap or tun link is made with. */
export interface TapOptions {
  readonly name: string;
  /** `tap` carries Ethernet frames, `tun` IP packets. */
  readonly mode: 'tap' | 'tun';
  /** Who may attach to it beside root, by number. */
  readonly owner?: number | undefined;
  readonly group?: number | undefined;
  /** Several descriptors may attach, a queue for each. */
  readonly multiQueue?: boolean;
  /** Frames carry a struct virtio_net_hdr, as virtual machines want it. */
  readonly virtioHeader?: boolean;
}

/**
 * Makes a tap or tun link in the namespace the thread is in. It stays when this process ends, and is
 * removed like any link. Throws SysError, EBUSY when the name is taken; Node's error where this
 * kernel has no /dev/net/tun.
 */
export function tapAdd(options: TapOptions): void {
  const { name, mode } = options;
  const request = interfaceRequest(name);
  const flags =
    (mode === 'tap' ? IFF_TAP : IFF_TUN) |
    (options.multiQueue === true ? IFF_MULTI_QUEUE : 0) |
    (options.virtioHeader === true ? IFF_VNET_HDR : 0);
  request.view.setUint16(IFREQ_UNION, flags | IFF_NO_PI | IFF_TUN_EXCL, true);
  // Until it is persistent the link goes with the descriptor, so a failure leaves nothing behind.
  using device = new Fd(openSync('/dev/net/tun', 'r+'), '/dev/net/tun');
  const set = (call: string, operation: bigint, value: Uint8Array | bigint): void => {
    check('ioctl', libc.ioctl(device.number, operation, value), `${call}, ${name}`);
  };
  set('TUNSETIFF', TUNSETIFF, request.bytes);
  if (options.owner !== undefined) set('TUNSETOWNER', TUNSETOWNER, BigInt(options.owner));
  if (options.group !== undefined) set('TUNSETGROUP', TUNSETGROUP, BigInt(options.group));
  set('TUNSETPERSIST', TUNSETPERSIST, 1n);
}
