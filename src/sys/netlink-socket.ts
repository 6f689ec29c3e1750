import { write } from 'node:fs';
import { EAGAIN, EINTR, SysError } from './errno.ts';
import { type Fd, openSocket, setOption, setReceiveTimeout, trySetOption } from './fd.ts';
import { check, errno, libc } from './libc.ts';
import { watchReadable } from './readable.ts';

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const ADDRESS_BYTES = 12; // struct sockaddr_nl

/** The kernel builds dump datagrams of at most 32 KiB; an ack repeats at most one request. */
const RECEIVE_BYTES_MAX = 1 << 18;
const RECEIVE_BYTES_SIZE = BigInt(RECEIVE_BYTES_MAX);
const SOCKET_BUFFER_BYTES = 4 << 20;
/** What the kernel adds to the size of a message when it charges the send buffer. */
const SEND_OVERHEAD_BYTES = 1 << 16;

/** Receive buffers of sockets that have closed, for those that open next. */
const SPARE_BUFFERS_MAX = 4;
const spareBuffers: Uint8Array[] = [];

/** How a netlink socket is opened. */
export interface NetlinkSocketOptions {
  /** A receive that waits gives up after this long; without it, never. */
  readonly timeoutMs?: number;
  /** What the kernel keeps for the reader, by its own way of counting: 4 MiB unless told. */
  readonly receiveBufferBytes?: number;
}

/**
 * A blocking netlink socket (netlink(7)) in the namespace the calling thread is in when it opens.
 * It stays in that namespace. Messages that do not come from the kernel are dropped.
 */
export class NetlinkSocket implements Disposable {
  readonly #fd: Fd;
  readonly #buffer = spareBuffers.pop() ?? new Uint8Array(new ArrayBuffer(RECEIVE_BYTES_MAX));
  readonly #sender = new DataView(new ArrayBuffer(ADDRESS_BYTES));
  readonly #senderLength = new DataView(new ArrayBuffer(4));
  #isOpen = true;
  #sendBufferBytes = SOCKET_BUFFER_BYTES;

  private constructor(fd: Fd) {
    this.#fd = fd;
  }

  /** Opens a socket of `protocol`, such as NETLINK_ROUTE 0. Throws SysError. */
  static open(protocol: number, options: NetlinkSocketOptions): NetlinkSocket {
    using stack = new DisposableStack();
    const fd = stack.use(openSocket(AF_NETLINK, SOCK_RAW, protocol, `netlink socket ${protocol}`));
    if (options.timeoutMs !== undefined) setReceiveTimeout(fd, options.timeoutMs);
    const receiveBufferBytes = options.receiveBufferBytes ?? SOCKET_BUFFER_BYTES;
    // Forcing the sizes needs CAP_NET_ADMIN; without it the system's limits hold.
    trySetOption(fd, SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_BUFFER_BYTES);
    trySetOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, receiveBufferBytes);
    setOption(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
    setOption(fd, SOL_NETLINK, NETLINK_CAP_ACK, 1);
    // Since Linux 4.20: the kernel refuses a dump filter it does not understand.
    trySetOption(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
    const address = new Uint8Array(ADDRESS_BYTES);
    new DataView(address.buffer).setUint16(0, AF_NETLINK, true);
    check('bind', libc.bind(fd.number, address, ADDRESS_BYTES), `netlink socket ${protocol}`);
    const socket = new NetlinkSocket(fd);
    stack.move();
    return socket;
  }

  /** The port the kernel gave it (sockaddr_nl.nl_pid): the process's number for one socket of each process. */
  get portId(): number {
    const name = new Uint8Array(ADDRESS_BYTES);
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, ADDRESS_BYTES, true);
    check('getsockname', libc.getsockname(this.#fd.number, name, length), 'netlink socket');
    return new DataView(name.buffer).getUint32(4, true);
  }

  /** Sends one datagram to the kernel, which handles it before this returns. */
  send(datagram: Uint8Array): void {
    if (datagram.length + SEND_OVERHEAD_BYTES > this.#sendBufferBytes) {
      this.#sendBufferBytes = datagram.length + SEND_OVERHEAD_BYTES;
      trySetOption(this.#fd, SOL_SOCKET, SO_SNDBUFFORCE, this.#sendBufferBytes);
    }
    for (;;) {
      const sent = libc.send(this.#fd.number, datagram, BigInt(datagram.length), 0);
      if (sent >= 0) return;
      if (errno() !== EINTR)
        throw new SysError('send', errno(), `${datagram.length} netlink bytes`);
    }
  }

  /**
   * Has one of Node's threads send a datagram, and returns before the kernel has handled it. For what
   * the kernel takes long over; its answer is the only word on the outcome.
   */
  sendAside(datagram: Uint8Array): void {
    // To a netlink socket that is not connected write(2) is a send to the kernel.
    write(this.#fd.number, datagram.slice(), () => {});
  }

  /**
   * Waits for one datagram of the kernel; undefined after the timeout, or at once with
   * `wait: false`. The bytes are valid until the next receive or `close`. Throws SysError, ENOBUFS among
   * them: the kernel had more to say than fitted, and what was said is lost.
   */
  receive(options: { wait: boolean }): Uint8Array | undefined {
    const flags = MSG_TRUNC | (options.wait ? 0 : MSG_DONTWAIT);
    for (;;) {
      this.#senderLength.setUint32(0, ADDRESS_BYTES, true);
      const got = libc.recvfrom(
        this.#fd.number,
        this.#buffer,
        RECEIVE_BYTES_SIZE,
        flags,
        this.#sender,
        this.#senderLength,
      );
      if (got < 0) {
        const reason = errno();
        if (reason === EINTR) continue;
        if (reason === EAGAIN) return undefined;
        throw new SysError('recvfrom', reason, 'netlink socket');
      }
      // The port of whoever sent it; that of the kernel is 0.
      if (this.#sender.getUint32(4, true) !== 0) continue;
      if (got > this.#buffer.length) {
        throw new RangeError(
          `netlink datagram of ${got} bytes, expected at most ${RECEIVE_BYTES_MAX}`,
        );
      }
      return this.#buffer.subarray(0, Number(got));
    }
  }

  /** Joins a multicast group by its number, such as RTNLGRP_LINK 1. Throws SysError. */
  join(group: number): void {
    setOption(this.#fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group);
  }

  /** Calls `onReadable` on the event loop after something came; end it before `close`. */
  watch(onReadable: () => void): Disposable {
    return watchReadable(this.#fd, onReadable);
  }

  /** Closes the socket; a second call does nothing. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    if (spareBuffers.length < SPARE_BUFFERS_MAX) spareBuffers.push(this.#buffer);
    this.#fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
