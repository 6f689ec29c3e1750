import { EAGAIN, EINTR } from './errno.ts';
import { type Fd, openSocket, setOption, setReceiveTimeout, trySetOption } from './fd.ts';
import { check, errno, fixedMemory, libc } from './libc.ts';

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_DGRAM = 2;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_REUSEPORT = 15;
const SO_RCVBUFFORCE = 33;
const SO_RXQ_OVFL = 40;
const IPPROTO_IP = 0;
const IP_PKTINFO = 8;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const IPV6_RECVPKTINFO = 49;
const IPV6_PKTINFO = 50;
const MSG_WAITFORONE = 0x10000;

/* struct mmsghdr of 64-bit Linux: a struct msghdr of 56 bytes, the length, padding. */
const HEADER_BYTES = 64;
const HEADER_NAME_LENGTH = 8;
const HEADER_CONTROL = 32;
const HEADER_CONTROL_LENGTH = 40;
const HEADER_FLAGS = 48;
const HEADER_LENGTH = 56;

const IOVEC_BYTES = 16;
const NAME_BYTES = 28; // struct sockaddr_in6, the larger of the two
const CMSG_HEADER_BYTES = 16;
const CONTROL_BYTES = 96; // room for IPV6_PKTINFO (40) and SO_RXQ_OVFL (24), with some to spare
const PKTINFO4_BYTES = 12; // struct in_pktinfo
const PKTINFO6_BYTES = 20; // struct in6_pktinfo

/** What a UdpBatchSocket is made with. */
export interface UdpBatchOptions {
  /** 4 or 16 octets; 16 zero octets take both families. */
  readonly address: Uint8Array;
  /** 0 lets the kernel choose; `port` then tells. */
  readonly port: number;
  /** The most datagrams one `receive` takes. */
  readonly batchMax: number;
  /** A longer datagram is cut to this. */
  readonly datagramBytesMax: number;
  readonly replyBytesMax: number;
  readonly receiveBufferBytes: number;
  /** `receive` gives 0 after this long without a datagram. */
  readonly receiveTimeoutMs: number;
}

/**
 * A UDP server socket that receives and replies in batches, one system call each (recvmmsg(2),
 * sendmmsg(2)), from memory laid out once. Several sockets may share a port (SO_REUSEPORT), one
 * for each thread. A reply leaves from the address its query was sent to, also on a wildcard
 * socket (IP_PKTINFO, ip(7); RFC 3542 section 6.2).
 */
export class UdpBatchSocket implements Disposable {
  readonly port: number;
  readonly #fd: Fd;
  readonly #family: number;
  readonly #batchMax: number;
  readonly #requests: readonly Uint8Array[];
  readonly #replies: readonly Uint8Array[];
  readonly #replyLengths: Uint32Array;
  readonly #received: Headers;
  readonly #toSend: Headers;
  #count = 0;
  #kernelDrops = 0;
  #sendErrors = 0;

  private constructor(fd: Fd, family: number, port: number, options: UdpBatchOptions) {
    this.#fd = fd;
    this.#family = family;
    this.port = port;
    this.#batchMax = options.batchMax;
    this.#replyLengths = new Uint32Array(options.batchMax);
    const names = fixedMemory(options.batchMax * NAME_BYTES);
    this.#received = new Headers(options.batchMax, options.datagramBytesMax, names);
    this.#toSend = new Headers(options.batchMax, options.replyBytesMax, names);
    this.#requests = this.#received.slots;
    this.#replies = this.#toSend.slots;
  }

  /** Opens and binds the socket. Throws SysError, such as EADDRINUSE or EADDRNOTAVAIL. */
  static open(options: UdpBatchOptions): UdpBatchSocket {
    const family = options.address.length === 4 ? AF_INET : AF_INET6;
    using stack = new DisposableStack();
    const fd = stack.use(openSocket(family, SOCK_DGRAM, 0, 'UDP socket'));
    setOption(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    // Only root may pass the system's limit; what an ordinary process gets instead is fine too.
    if (!trySetOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, options.receiveBufferBytes)) {
      trySetOption(fd, SOL_SOCKET, SO_RCVBUF, options.receiveBufferBytes);
    }
    trySetOption(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
    if (family === AF_INET) {
      setOption(fd, IPPROTO_IP, IP_PKTINFO, 1);
    } else {
      setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
      setOption(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    }
    setReceiveTimeout(fd, options.receiveTimeoutMs);
    const name = socketName(family, options.address, options.port);
    const detail = `UDP port ${options.port}`;
    check('bind', libc.bind(fd.number, name, name.length), detail);
    const socket = new UdpBatchSocket(fd, family, boundPort(fd), options);
    stack.move();
    return socket;
  }

  /** Datagrams the kernel dropped because the receive buffer was full, as last reported. */
  get kernelDrops(): number {
    return this.#kernelDrops;
  }

  /** Replies the kernel refused to send, such as to an address without a route. */
  get sendErrors(): number {
    return this.#sendErrors;
  }

  /**
   * Waits for datagrams and takes all that are there, at most `batchMax`. Gives their number; 0
   * after the receive timeout. The request slots are valid until the next call.
   */
  receive(): number {
    const { bytes } = this.#received;
    this.#received.reset();
    const count = libc.recvmmsg(this.#fd.number, bytes, this.#batchMax, MSG_WAITFORONE, 0n);
    if (count < 0) {
      const reason = errno();
      if (reason !== EAGAIN && reason !== EINTR) check('recvmmsg', -1, `UDP port ${this.port}`);
      this.#count = 0;
      return 0;
    }
    this.#replyLengths.fill(0, 0, count);
    this.#count = count;
    return count;
  }

  /** The slot of request `index`; only the first `requestLength(index)` octets are the request. */
  requestBuffer(index: number): Uint8Array {
    return slot(this.#requests, index);
  }

  /** The length of request `index` in octets. */
  requestLength(index: number): number {
    return this.#received.length(index);
  }

  /** The slot to write the reply to request `index` into. */
  replyBuffer(index: number): Uint8Array {
    return slot(this.#replies, index);
  }

  /** Sets the reply's length in octets; 0, as after `receive`, sends none. */
  setReply(index: number, lengthBytes: number): void {
    this.#replyLengths[index] = lengthBytes;
  }

  /** Sends the replies of this batch. Gives how many the kernel took. */
  send(): number {
    let prepared = 0;
    for (let index = 0; index < this.#count; index += 1) {
      const pktinfo = this.#received.findPktinfo(index, this.#family === AF_INET);
      this.#kernelDrops = Math.max(this.#kernelDrops, this.#received.drops);
      const length = this.#replyLengths[index] ?? 0;
      if (length === 0) continue;
      this.#toSend.prepareReply(prepared, index, length, this.#received, pktinfo);
      prepared += 1;
    }
    this.#count = 0;
    return this.#sendAll(prepared);
  }

  #sendAll(prepared: number): number {
    let next = 0;
    let sent = 0;
    while (next < prepared) {
      const rest = this.#toSend.bytes.subarray(next * HEADER_BYTES, prepared * HEADER_BYTES);
      const count = libc.sendmmsg(this.#fd.number, rest, prepared - next, 0);
      if (count > 0) {
        next += count;
        sent += count;
      } else if (errno() !== EINTR) {
        // The first of the rest was refused; the others have other destinations.
        next += 1;
        this.#sendErrors += 1;
      }
    }
    return sent;
  }

  /** Closes the socket; a second call does nothing. */
  close(): void {
    this.#fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

interface Pktinfo {
  readonly offset: number;
  readonly lengthBytes: number;
}

/** An array of struct mmsghdr with the buffers they point to, all at addresses that stay. */
class Headers {
  readonly bytes: Uint8Array;
  readonly slots: readonly Uint8Array[];
  /** The newest SO_RXQ_OVFL count seen by `findPktinfo`. */
  drops = 0;
  readonly #view: DataView;
  readonly #control: { bytes: Uint8Array; address: bigint };
  readonly #controlView: DataView;
  readonly #iovecs: DataView;
  readonly #names: { bytes: Uint8Array; address: bigint };
  readonly #slotAddress: bigint;
  readonly #slotBytes: number;
  readonly #pktinfo = { offset: 0, lengthBytes: 0 };

  constructor(count: number, slotBytes: number, names: { bytes: Uint8Array; address: bigint }) {
    const headers = fixedMemory(count * HEADER_BYTES);
    const iovecs = fixedMemory(count * IOVEC_BYTES);
    const slots = fixedMemory(count * slotBytes);
    this.bytes = headers.bytes;
    this.#view = new DataView(headers.bytes.buffer);
    this.#control = fixedMemory(count * CONTROL_BYTES);
    this.#controlView = new DataView(this.#control.bytes.buffer);
    this.#iovecs = new DataView(iovecs.bytes.buffer);
    this.#names = names;
    this.#slotAddress = slots.address;
    this.#slotBytes = slotBytes;
    this.slots = Array.from({ length: count }, (_, index) =>
      slots.bytes.subarray(index * slotBytes, (index + 1) * slotBytes),
    );
    for (let index = 0; index < count; index += 1) {
      const header = index * HEADER_BYTES;
      const iovec = index * IOVEC_BYTES;
      this.#view.setBigUint64(header, names.address + BigInt(index * NAME_BYTES), true);
      this.#view.setBigUint64(header + 16, iovecs.address + BigInt(iovec), true);
      this.#view.setBigUint64(header + 24, 1n, true);
      const control = this.#control.address + BigInt(index * CONTROL_BYTES);
      this.#view.setBigUint64(header + HEADER_CONTROL, control, true);
      this.#setBuffer(index, index, slotBytes);
    }
  }

  /** Restores the lengths the kernel overwrote in the last receive. */
  reset(): void {
    for (let at = 0; at < this.bytes.length; at += HEADER_BYTES) {
      this.#view.setUint32(at + HEADER_NAME_LENGTH, NAME_BYTES, true);
      this.#view.setUint32(at + HEADER_CONTROL_LENGTH, CONTROL_BYTES, true);
      this.#view.setUint32(at + HEADER_FLAGS, 0, true);
    }
  }

  length(index: number): number {
    return this.#view.getUint32(index * HEADER_BYTES + HEADER_LENGTH, true);
  }

  /** Where in the control buffer message `index` has its pktinfo; the result is reused. */
  findPktinfo(index: number, isV4: boolean): Pktinfo | undefined {
    const start = index * CONTROL_BYTES;
    const header = index * HEADER_BYTES;
    const used = this.#view.getUint32(header + HEADER_CONTROL_LENGTH, true);
    const end = start + Math.min(used, CONTROL_BYTES);
    let found: Pktinfo | undefined;
    for (let at = start; at + CMSG_HEADER_BYTES <= end; ) {
      const length = this.#controlView.getUint32(at, true);
      if (length < CMSG_HEADER_BYTES) break;
      const level = this.#controlView.getInt32(at + 8, true);
      const type = this.#controlView.getInt32(at + 12, true);
      if (level === SOL_SOCKET && type === SO_RXQ_OVFL) {
        this.drops = this.#controlView.getUint32(at + CMSG_HEADER_BYTES, true);
      } else if (isV4 ? level === IPPROTO_IP && type === IP_PKTINFO : level === IPPROTO_IPV6) {
        this.#pktinfo.offset = at + CMSG_HEADER_BYTES;
        this.#pktinfo.lengthBytes = isV4 ? PKTINFO4_BYTES : PKTINFO6_BYTES;
        found = this.#pktinfo;
      }
      at += (length + 7) & ~7;
    }
    return found;
  }

  /** Makes entry `entry` the reply to message `index` of `received`, `lengthBytes` long. */
  prepareReply(
    entry: number,
    index: number,
    lengthBytes: number,
    received: Headers,
    pktinfo: Pktinfo | undefined,
  ): void {
    const header = entry * HEADER_BYTES;
    const from = index * HEADER_BYTES;
    const name = this.#names.address + BigInt(index * NAME_BYTES);
    this.#view.setBigUint64(header, name, true);
    const nameLength = received.#view.getUint32(from + HEADER_NAME_LENGTH, true);
    this.#view.setUint32(header + HEADER_NAME_LENGTH, nameLength, true);
    this.#setBuffer(entry, index, lengthBytes);
    const controlLength = pktinfo === undefined ? 0 : this.#writePktinfo(entry, received, pktinfo);
    this.#view.setUint32(header + HEADER_CONTROL_LENGTH, controlLength, true);
  }

  #setBuffer(entry: number, slotIndex: number, lengthBytes: number): void {
    const iovec = entry * IOVEC_BYTES;
    const address = this.#slotAddress + BigInt(slotIndex * this.#slotBytes);
    this.#iovecs.setBigUint64(iovec, address, true);
    this.#iovecs.setBigUint64(iovec + 8, BigInt(lengthBytes), true);
  }

  /**
   * Copies the address the query came to as the reply's source. The interface is left to the
   * routing table, except for a link-local address, which means nothing without it.
   */
  #writePktinfo(entry: number, received: Headers, pktinfo: Pktinfo): number {
    const start = entry * CONTROL_BYTES;
    const data = start + CMSG_HEADER_BYTES;
    const isV4 = pktinfo.lengthBytes === PKTINFO4_BYTES;
    const length = CMSG_HEADER_BYTES + pktinfo.lengthBytes;
    this.#controlView.setBigUint64(start, BigInt(length), true);
    this.#controlView.setInt32(start + 8, isV4 ? IPPROTO_IP : IPPROTO_IPV6, true);
    this.#controlView.setInt32(start + 12, isV4 ? IP_PKTINFO : IPV6_PKTINFO, true);
    const source = received.#control.bytes;
    for (let at = 0; at < pktinfo.lengthBytes; at += 1) {
      this.#control.bytes[data + at] = source[pktinfo.offset + at] ?? 0;
    }
    const bytes = this.#control.bytes;
    const linkLocal = !isV4 && bytes[data] === 0xfe && ((bytes[data + 1] ?? 0) & 0xc0) === 0x80;
    if (!linkLocal) this.#controlView.setInt32(isV4 ? data : data + 16, 0, true);
    return (length + 7) & ~7;
  }
}

function slot(slots: readonly Uint8Array[], index: number): Uint8Array {
  const bytes = slots[index];
  if (bytes === undefined) throw new RangeError(`batch index ${index} of ${slots.length}`);
  return bytes;
}

/** struct sockaddr_in or sockaddr_in6 (ip(7), ipv6(7)). */
function socketName(family: number, address: Uint8Array, port: number): Uint8Array {
  const name = new Uint8Array(family === AF_INET ? 16 : NAME_BYTES);
  const view = new DataView(name.buffer);
  view.setUint16(0, family, true);
  view.setUint16(2, port, false);
  name.set(address, family === AF_INET ? 4 : 8);
  return name;
}

function boundPort(fd: Fd): number {
  const name = new Uint8Array(NAME_BYTES);
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, NAME_BYTES, true);
  check('getsockname', libc.getsockname(fd.number, name, length), 'UDP socket');
  return new DataView(name.buffer).getUint16(2, false);
}
