import { openSync, writeSync } from 'node:fs';
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
  // Until it is persistent the link goes with the descriptor, so a failure leaves nothing behind.
  using device = attach(options);
  const set = (call: string, operation: bigint, value: bigint): void => {
    check('ioctl', libc.ioctl(device.number, operation, value), `${call}, ${options.name}`);
  };
  if (options.owner !== undefined) set('TUNSETOWNER', TUNSETOWNER, BigInt(options.owner));
  if (options.group !== undefined) set('TUNSETGROUP', TUNSETGROUP, BigInt(options.group));
  set('TUNSETPERSIST', TUNSETPERSIST, 1n);
}

/** A tap or tun link that goes when it is closed, or when the process ends. */
export interface Tap extends Disposable {
  /** Has the kernel receive a frame, or a packet of a tun; it is done with it when this returns. */
  write(frame: Uint8Array): void;
}

/** Makes such a link. Throws as `tapAdd` does; `write` throws Node's error, EIO while the link is down. */
export function tapOpen(options: Pick<TapOptions, 'name' | 'mode'>): Tap {
  const device = attach(options);
  return {
    write: (frame) => void writeSync(device.number, frame),
    [Symbol.dispose]: () => device.close(),
  };
}

/** A descriptor with a new link attached. */
function attach(options: TapOptions): Fd {
  const { name, mode } = options;
  const request = interfaceRequest(name);
  const flags =
    (mode === 'tap' ? IFF_TAP : IFF_TUN) |
    (options.multiQueue === true ? IFF_MULTI_QUEUE : 0) |
    (options.virtioHeader === true ? IFF_VNET_HDR : 0);
  request.view.setUint16(IFREQ_UNION, flags | IFF_NO_PI | IFF_TUN_EXCL, true);
  using undo = new DisposableStack();
  const device = undo.use(new Fd(openSync('/dev/net/tun', 'r+'), '/dev/net/tun'));
  const status = libc.ioctl(device.number, TUNSETIFF, request.bytes);
  check('ioctl', status, `TUNSETIFF, ${name}`);
  undo.move();
  return device;
}
