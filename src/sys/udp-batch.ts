import { AF_INET, NAME_BYTES, openBoundSocket } from './bound-socket.ts';
import { EAGAIN, EINTR } from './errno.ts';
import { setOption, setReceiveTimeout, trySetOption } from './fd.ts';
import { check, errno, fixedMemory, libc } from './libc.ts';

const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_RCVBUFFORCE = 33;
const SO_RXQ_OVFL = 40;
const IPPROTO_IP = 0;
const IP_PKTINFO = 8;
const IPPROTO_IPV6 = 41;
const IPV6_RECVPKTINFO = 49;
const IPV6_PKTINFO = 50;
const MSG_DONTWAIT = 0x40;
const MSG_WAITFORONE = 0x10000;

/* struct mmsghdr of 64-bit Linux: a struct msghdr of 56 bytes, the length, padding. */
const HEADER_BYTES = 64;
const HEADER_NAME_LENGTH = 8;
const HEADER_CONTROL = 32;
const HEADER_CONTROL_LENGTH = 40;
const HEADER_FLAGS = 48;
const HEADER_LENGTH = 56;

const IOVEC_BYTES = 16;
const CMSG_HEADER_BYTES = 16;
const CONTROL_BYTES = 96; // room for IPV6_PKTINFO (40) and SO_RXQ_OVFL (24), with some to spare
const PKTINFO4_BYTES = 12; // struct in_pktinfo
const PKTINFO6_BYTES = 20; // struct in6_pktinfo

/* Where a datagram came from and to, as it is handed to another thread. */
const ORIGIN_NAME_LENGTH = NAME_BYTES;
const ORIGIN_PKTINFO_LENGTH = NAME_BYTES + 1;
const ORIGIN_PKTINFO = NAME_BYTES + 4;
/** Octets of an origin, see `copyOrigin`. */
export const ORIGIN_BYTES = ORIGIN_PKTINFO + PKTINFO6_BYTES;

/** What a UdpBatchSocket is made with. */
export interface UdpBatchOptions {
  /** The most datagrams one `receive` takes. */
  readonly batchMax: number;
  /** A longer datagram is cut to this. */
  readonly datagramBytesMax: number;
  readonly replyBytesMax: number;
}

/** What a UDP socket is opened with. */
export interface UdpOptions {
  /** 4 or 16 octets; 16 zero octets take both families. */
  readonly address: Uint8Array;
  /** 0 lets the kernel choose; `port` then tells. */
  readonly port: number;
  readonly receiveBufferBytes: number;
  /** `receive` gives 0 after this long without a datagram. */
  readonly receiveTimeoutMs: number;
}

/** A UDP socket that tells the addresses datagrams were sent to, for a UdpBatchSocket to use. */
export interface UdpSocket extends Disposable {
  readonly fd: number;
  readonly port: number;
  readonly isV4: boolean;
  /** The one address datagrams are sent to; undefined on a wildcard socket, which each tells. */
  readonly local: Uint8Array | undefined;
}

/** Opens and binds a UDP socket. Throws SysError, such as EADDRINUSE. */
export function openUdpSocket(options: UdpOptions): UdpSocket {
  using stack = new DisposableStack();
  const { fd, port } = openBoundSocket('udp', options.address, options.port);
  stack.use(fd);
  // Only root may pass the system's limit; what an ordinary process gets instead is fine too.
  if (!trySetOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, options.receiveBufferBytes)) {
    trySetOption(fd, SOL_SOCKET, SO_RCVBUF, options.receiveBufferBytes);
  }
  trySetOption(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
  const isV4 = options.address.length === 4;
  const isWildcard = options.address.every((octet) => octet === 0);
  // A socket of one address sends from it anyway; to be told, and to tell it, costs a microsecond.
  if (isWildcard && isV4) setOption(fd, IPPROTO_IP, IP_PKTINFO, 1);
  else if (isWildcard) setOption(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
  setReceiveTimeout(fd, options.receiveTimeoutMs);
  const local = isWildcard ? undefined : Uint8Array.from(options.address);
  stack.move();
  return { fd: fd.number, port, isV4, local, [Symbol.dispose]: () => fd.close() };
}

/**
 * A UDP server socket that receives and replies in batches, one system call each (recvmmsg(2),
 * sendmmsg(2)), from memory laid out once; a single datagram by the cheaper recvmsg(2) and sendmsg(2).
 * Several sockets may share a port (SO_REUSEPORT), one for each thread. A reply leaves from the address
 * its query was sent to, also on a wildcard socket (IP_PKTINFO, ip(7); RFC 3542 section 6.2).
 */
export class UdpBatchSocket {
  readonly #fd: number;
  readonly #isV4: boolean;
  readonly #batchMax: number;
  readonly #requests: readonly Uint8Array[];
  readonly #replies: readonly Uint8Array[];
  readonly #replyLengths: Uint32Array;
  readonly #names: Uint8Array;
  readonly #clients4: readonly Uint8Array[];
  readonly #clients6: readonly Uint8Array[];
  readonly #received: Headers;
  readonly #toSend: Headers;
  #count = 0;
  /** How many headers the last receive used. */
  #taken = 0;
  #kernelDrops = 0;
  #sendErrors = 0;

  /** The socket may be another thread's, who keeps it open for as long as this one is used. */
  constructor(socket: Pick<UdpSocket, 'fd' | 'isV4'>, options: UdpBatchOptions) {
    this.#fd = socket.fd;
    this.#isV4 = socket.isV4;
    this.#batchMax = options.batchMax;
    this.#replyLengths = new Uint32Array(options.batchMax);
    const names = fixedMemory(options.batchMax * NAME_BYTES);
    this.#names = names.bytes;
    this.#received = new Headers(options.batchMax, options.datagramBytesMax, names);
    this.#toSend = new Headers(options.batchMax, options.replyBytesMax, names);
    this.#requests = this.#received.slots;
    this.#replies = this.#toSend.slots;
    const views = (start: number, length: number) =>
      Array.from({ length: options.batchMax }, (_, index) =>
        names.bytes.subarray(index * NAME_BYTES + start, index * NAME_BYTES + start + length),
      );
    // An IPv4 client of a socket for both families stands at the end of a mapped address.
    this.#clients4 = views(this.#isV4 ? 4 : 20, 4);
    this.#clients6 = views(8, 16);
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
   * Takes all datagrams that are there, at most `batchMax`, and waits for one where there is none,
   * unless `wait` is false. Gives their number; 0 after the receive timeout. The request slots are
   * valid until the next call.
   */
  receive(wait = true): number {
    // Only what the last receive used was overwritten: most batches are small.
    this.#received.reset(this.#taken);
    const flags = wait ? MSG_WAITFORONE : MSG_DONTWAIT;
    const count = libc.recvmmsg(this.#fd, this.#received.address, this.#batchMax, flags, 0n);
    return this.#took('recvmmsg', count);
  }

  /**
   * As `receive`, but takes one datagram at most: in quiet times there is no other, and this call costs
   * less than one that looks for it.
   */
  receiveOne(): number {
    this.#received.reset(this.#taken);
    const lengthBytes = libc.recvmsg(this.#fd, this.#received.address, 0);
    if (lengthBytes >= 0) this.#received.setLength(0, lengthBytes);
    return this.#took('recvmsg', lengthBytes < 0 ? -1 : 1);
  }

  #took(call: string, result: number): number {
    let count = result;
    if (count < 0) {
      const reason = errno();
      if (reason !== EAGAIN && reason !== EINTR) check(call, -1, 'UDP socket');
      count = 0;
    }
    for (let index = 0; index < count; index += 1) this.#replyLengths[index] = 0;
    this.#count = count;
    this.#taken = count;
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

  /** The address request `index` came from, 4 or 16 octets; valid until the next `receive`. */
  clientAddress(index: number): Uint8Array {
    if (this.#isV4 || isMapped(this.#names, index * NAME_BYTES + 8)) {
      return slot(this.#clients4, index);
    }
    return slot(this.#clients6, index);
  }

  /** Writes where request `index` came from and to into `out[at..at + ORIGIN_BYTES]`. */
  copyOrigin(index: number, out: Uint8Array, at: number): void {
    const name = index * NAME_BYTES;
    for (let octet = 0; octet < NAME_BYTES; octet += 1) {
      out[at + octet] = this.#names[name + octet] ?? 0;
    }
    const pktinfo = this.#received.findPktinfo(index, this.#isV4);
    out[at + ORIGIN_NAME_LENGTH] = this.#isV4 ? 16 : NAME_BYTES;
    out[at + ORIGIN_PKTINFO_LENGTH] = pktinfo?.lengthBytes ?? 0;
    if (pktinfo === undefined) return;
    for (let octet = 0; octet < pktinfo.lengthBytes; octet += 1) {
      out[at + ORIGIN_PKTINFO + octet] = this.#received.control[pktinfo.offset + octet] ?? 0;
    }
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
      const pktinfo = this.#received.findPktinfo(index, this.#isV4);
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
      const count = this.#toSend.send(this.#fd, next, prepared - next, 0);
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
}

/** Where a datagram came from, and to which address. */
export interface Origin {
  /** 4 or 16 octets; of an IPv4 client 4, also on a socket for both families. */
  readonly client: Uint8Array;
  readonly clientPort: number;
  /** As `client`; empty when the kernel did not say. */
  readonly local: Uint8Array;
}

/** Reads an origin written by `copyOrigin`. */
export function readOrigin(origin: Uint8Array): Origin {
  const view = new DataView(origin.buffer, origin.byteOffset, origin.byteLength);
  const isV4 = view.getUint16(0, true) === AF_INET;
  const unmapped = (bytes: Uint8Array) => (isMapped(bytes, 0) ? bytes.slice(12, 16) : bytes);
  const pktinfo = origin.slice(
    ORIGIN_PKTINFO,
    ORIGIN_PKTINFO + (origin[ORIGIN_PKTINFO_LENGTH] ?? 0),
  );
  return {
    client: isV4 ? origin.slice(4, 8) : unmapped(origin.slice(8, 24)),
    clientPort: view.getUint16(2, false),
    // struct in_pktinfo has the header's destination last (ip(7)), struct in6_pktinfo first.
    local: isV4 ? pktinfo.slice(8, 12) : unmapped(pktinfo.slice(0, 16)),
  };
}

/** Sends replies one at a time from a socket that another thread receives on. */
export class UdpReplySender {
  readonly #fd: number;
  readonly #headers: Headers;
  readonly #names = fixedMemory(NAME_BYTES);

  constructor(fd: number, replyBytesMax: number) {
    this.#fd = fd;
    this.#headers = new Headers(1, replyBytesMax, this.#names);
  }

  /** Sends `reply` back to where `origin` came from. Gives whether the kernel took it. */
  send(reply: Uint8Array, origin: Uint8Array): boolean {
    const headers = this.#headers;
    this.#names.bytes.set(origin.subarray(0, NAME_BYTES));
    slot(headers.slots, 0).set(reply);
    const lengthBytes = origin[ORIGIN_PKTINFO_LENGTH] ?? 0;
    const nameLength = origin[ORIGIN_NAME_LENGTH] ?? 0;
    const pktinfo = lengthBytes === 0 ? undefined : { offset: ORIGIN_PKTINFO, lengthBytes };
    headers.prepare(0, 0, reply.length, nameLength, origin, pktinfo);
    return headers.send(this.#fd, 0, 1, MSG_DONTWAIT) === 1;
  }
}

/** Whether the 16 octets at `at` are an IPv4-mapped address (RFC 4291 section 2.5.5.2). */
function isMapped(bytes: Uint8Array, at: number): boolean {
  for (let octet = 0; octet < 10; octet += 1) if (bytes[at + octet] !== 0) return false;
  return bytes[at + 10] === 0xff && bytes[at + 11] === 0xff;
}

interface Pktinfo {
  readonly offset: number;
  readonly lengthBytes: number;
}

/** An array of struct mmsghdr with the buffers they point to, all at addresses that stay. */
class Headers {
  /** Of the first, for calls that take an array of them. */
  readonly address: bigint;
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
  /** Which slot each header points to; -1 before it points anywhere. */
  readonly #slotOf: Int32Array;
  readonly #pktinfo = { offset: 0, lengthBytes: 0 };

  constructor(count: number, slotBytes: number, names: { bytes: Uint8Array; address: bigint }) {
    const headers = fixedMemory(count * HEADER_BYTES);
    const iovecs = fixedMemory(count * IOVEC_BYTES);
    const slots = fixedMemory(count * slotBytes);
    this.address = headers.address;
    this.#view = new DataView(headers.bytes.buffer);
    this.#control = fixedMemory(count * CONTROL_BYTES);
    this.#controlView = new DataView(this.#control.bytes.buffer);
    this.#iovecs = new DataView(iovecs.bytes.buffer);
    this.#names = names;
    this.#slotAddress = slots.address;
    this.#slotBytes = slotBytes;
    this.#slotOf = new Int32Array(count).fill(-1);
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
    this.reset(count);
  }

  /** Restores the lengths of the first `count` headers, which the kernel overwrote. */
  reset(count: number): void {
    const end = count * HEADER_BYTES;
    for (let at = 0; at < end; at += HEADER_BYTES) {
      this.#view.setUint32(at + HEADER_NAME_LENGTH, NAME_BYTES, true);
      this.#view.setUint32(at + HEADER_CONTROL_LENGTH, CONTROL_BYTES, true);
      this.#view.setUint32(at + HEADER_FLAGS, 0, true);
    }
  }

  get control(): Uint8Array {
    return this.#control.bytes;
  }

  setLength(index: number, lengthBytes: number): void {
    this.#view.setUint32(index * HEADER_BYTES + HEADER_LENGTH, lengthBytes, true);
  }

  /** Sends `count` messages from `first` on. Gives how many the kernel took, -1 when it took none. */
  send(fd: number, first: number, count: number, flags: number): number {
    const address = first === 0 ? this.address : this.address + BigInt(first * HEADER_BYTES);
    if (count > 1) return libc.sendmmsg(fd, address, count, flags);
    // A struct mmsghdr begins with a struct msghdr.
    return libc.sendmsg(fd, address, flags) < 0 ? -1 : 1;
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
    const nameLength = received.#view.getUint32(index * HEADER_BYTES + HEADER_NAME_LENGTH, true);
    this.prepare(entry, index, lengthBytes, nameLength, received.control, pktinfo);
  }

  /** Makes entry `entry` what is in slot `index`, to name `index`; `pktinfo` is in `source`. */
  prepare(
    entry: number,
    index: number,
    lengthBytes: number,
    nameLength: number,
    source: Uint8Array,
    pktinfo: Pktinfo | undefined,
  ): void {
    const header = entry * HEADER_BYTES;
    if (this.#slotOf[entry] !== index) {
      const name = this.#names.address + BigInt(index * NAME_BYTES);
      this.#view.setBigUint64(header, name, true);
    }
    this.#view.setUint32(header + HEADER_NAME_LENGTH, nameLength, true);
    this.#setBuffer(entry, index, lengthBytes);
    const controlLength = pktinfo === undefined ? 0 : this.#writePktinfo(entry, source, pktinfo);
    this.#view.setUint32(header + HEADER_CONTROL_LENGTH, controlLength, true);
  }

  #setBuffer(entry: number, slotIndex: number, lengthBytes: number): void {
    const iovec = entry * IOVEC_BYTES;
    if (this.#slotOf[entry] !== slotIndex) {
      // Pointers are bigints, which cost an allocation; mostly they are what they were.
      const address = this.#slotAddress + BigInt(slotIndex * this.#slotBytes);
      this.#iovecs.setBigUint64(iovec, address, true);
      this.#slotOf[entry] = slotIndex;
    }
    // The upper half of the length was and is 0.
    this.#iovecs.setUint32(iovec + 8, lengthBytes, true);
  }

  /**
   * Copies the address the query came to as the reply's source. The interface is left to the
   * routing table, except for a link-local address, which means nothing without it.
   */
  #writePktinfo(entry: number, source: Uint8Array, pktinfo: Pktinfo): number {
    const start = entry * CONTROL_BYTES;
    const data = start + CMSG_HEADER_BYTES;
    const isV4 = pktinfo.lengthBytes === PKTINFO4_BYTES;
    const length = CMSG_HEADER_BYTES + pktinfo.lengthBytes;
    this.#controlView.setUint32(start, length, true);
    this.#controlView.setInt32(start + 8, isV4 ? IPPROTO_IP : IPPROTO_IPV6, true);
    this.#controlView.setInt32(start + 12, isV4 ? IP_PKTINFO : IPV6_PKTINFO, true);
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
