import type { Protocol } from '../../cluster/objects.ts';
import type { Addr } from '../../ipaddr/addr.ts';
import type { Mac } from '../../ipaddr/mac.ts';
import { PROTOCOL_NUMBER } from './element.ts';

/** The first packet of a connection, and the Ethernet addresses it goes between. */
export interface Probe {
  readonly protocol: Protocol;
  readonly source: Addr;
  readonly sourcePort: number;
  /** Of the same family. */
  readonly destination: Addr;
  readonly port: number;
}

const ETHERTYPE = { 4: 0x0800, 6: 0x86dd } as const;
const HOP_LIMIT = 64;
const IP_DF = 0x4000;

/**
 * The frame of it: a TCP SYN, a UDP datagram without a byte or an SCTP INIT, with checksums that are
 * right (RFC 9293 3.1, RFC 768, RFC 9260 3.3.2), for the kernel tracks no others.
 */
export function probeFrame(probe: Probe, from: Mac, to: Mac): Uint8Array {
  const { family } = probe.destination;
  const segment = SEGMENT[probe.protocol](probe);
  const frame = Buffer.concat([
    to.toBytes(),
    from.toBytes(),
    u16(ETHERTYPE[family]),
    family === 4 ? ipv4Header(probe, segment.length) : ipv6Header(probe, segment.length),
    segment,
  ]);
  return new Uint8Array(frame);
}

function ipv4Header({ source, destination, protocol }: Probe, bytes: number): Buffer {
  const header = Buffer.alloc(20);
  header[0] = 0x45;
  header.writeUInt16BE(header.length + bytes, 2);
  header.writeUInt16BE(IP_DF, 6);
  header[8] = HOP_LIMIT;
  header[9] = PROTOCOL_NUMBER[protocol];
  header.set(source.toBytes(), 12);
  header.set(destination.toBytes(), 16);
  header.writeUInt16BE(internetChecksum(header), 10);
  return header;
}

function ipv6Header({ source, destination, protocol }: Probe, bytes: number): Buffer {
  const header = Buffer.alloc(40);
  header[0] = 0x60;
  header.writeUInt16BE(bytes, 4);
  header[6] = PROTOCOL_NUMBER[protocol];
  header[7] = HOP_LIMIT;
  header.set(source.toBytes(), 8);
  header.set(destination.toBytes(), 24);
  return header;
}

const SEGMENT: Readonly<Record<Protocol, (probe: Probe) => Buffer>> = {
  TCP: tcpSyn,
  UDP: emptyUdp,
  SCTP: sctpInit,
};

function tcpSyn(probe: Probe): Buffer {
  const segment = withPorts(probe, 20);
  segment.writeUInt32BE(1, 4); // sequence number
  segment[12] = 5 << 4; // words of header
  segment[13] = 2; // SYN
  segment.writeUInt16BE(65_535, 14); // window
  segment.writeUInt16BE(transportChecksum(probe, segment), 16);
  return segment;
}

function emptyUdp(probe: Probe): Buffer {
  const segment = withPorts(probe, 8);
  segment.writeUInt16BE(segment.length, 4);
  // 0 would say that there is none.
  segment.writeUInt16BE(transportChecksum(probe, segment) || 0xffff, 6);
  return segment;
}

function sctpInit(probe: Probe): Buffer {
  const segment = withPorts(probe, 32);
  segment[12] = 1; // INIT
  segment.writeUInt16BE(20, 14); // length of the chunk
  segment.writeUInt32BE(1, 16); // initiate tag
  segment.writeUInt32BE(65_535, 20); // receiver window
  segment.writeUInt16BE(1, 24); // streams out
  segment.writeUInt16BE(1, 26); // streams in
  segment.writeUInt32BE(1, 28); // first TSN
  segment.writeUInt32LE(crc32c(segment), 8);
  return segment;
}

function withPorts({ sourcePort, port }: Probe, bytes: number): Buffer {
  const segment = Buffer.alloc(bytes);
  segment.writeUInt16BE(sourcePort, 0);
  segment.writeUInt16BE(port, 2);
  return segment;
}

/** Over the pseudo header, too; the sum is the same for both families' forms of it. */
function transportChecksum({ source, destination, protocol }: Probe, segment: Buffer): number {
  const end = [u16(PROTOCOL_NUMBER[protocol]), u16(segment.length)];
  return internetChecksum(
    Buffer.concat([source.toBytes(), destination.toBytes(), ...end, segment]),
  );
}

/** RFC 1071, of an even number of bytes. */
function internetChecksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

const CRC32C = 0x82f63b78; // the polynomial of RFC 9260 appendix A, its bits reversed

function crc32c(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ ((crc & 1) === 1 ? CRC32C : 0);
  }
  return ~crc >>> 0;
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}
