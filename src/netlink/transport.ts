/**
 * What carries datagrams to the kernel and back: a NetlinkSocket (`src/sys/netlink-socket.ts`), or
 * the fake kernel of `fake/` in tests. Connection and Subscription know no more of either than this.
 */
export interface Transport extends Disposable {
  /** The netlink port the socket is bound to, by which the kernel knows its owner. */
  readonly portId: number;
  /** Sends one datagram, which is handled before this returns. */
  send(datagram: Uint8Array): void;
  /** Has another thread send one datagram, and does not wait until it is handled. */
  sendAside(datagram: Uint8Array): void;
  /**
   * The next datagram; undefined when none came within the timeout, or with `wait: false` when none
   * is there now. The bytes are valid until the next receive. Throws SysError; ENOBUFS says that
   * messages were lost.
   */
  receive(options: { readonly wait: boolean }): Uint8Array | undefined;
  /** Joins a multicast group, such as RTNLGRP_LINK 1. Throws SysError. */
  join(group: number): void;
  /** Calls `onReadable` on the event loop whenever there is something to receive. */
  watch(onReadable: () => void): Disposable;
  close(): void;
}
