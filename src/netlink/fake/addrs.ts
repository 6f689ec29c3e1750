import { type FakeEvent, type ObjectMessage, Refusal } from './answer.ts';
import type { FakeLinks } from './links.ts';
import { encodeRaw, fromText, fromU32, number, type RawAttributes } from './raw-attributes.ts';
import { type FakeRequest, splitPayload } from './request.ts';

/* linux/rtnetlink.h, linux/if_addr.h */
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTNLGRP_IPV4_IFADDR = 5;
const RTNLGRP_IPV6_IFADDR = 9;
const HEADER_BYTES = 8; // struct ifaddrmsg
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_LABEL = 3;
const IFA_FLAGS = 8;
const IFA_F_PERMANENT = 0x80;
const AF_INET = 2;
const AF_UNSPEC = 0;

const ENODEV = 19;
const EEXIST = 17;
const EINVAL = 22;
const EADDRNOTAVAIL = 99;

/** An address of a link in a fake kernel. */
export interface FakeAddr {
  readonly family: number;
  readonly prefixLength: number;
  readonly linkIndex: number;
  readonly scope: number;
  readonly flags: number;
  readonly address: Uint8Array;
  readonly attributes: RawAttributes;
}

/** The addresses of a fake kernel. */
export class FakeAddrs {
  readonly #links: FakeLinks;
  readonly #addrs = new Map<string, FakeAddr>();

  constructor(links: FakeLinks) {
    this.#links = links;
  }

  /** Those of a link. */
  ofLink(index: number): FakeAddr[] {
    return [...this.#addrs.values()].filter((addr) => addr.linkIndex === index);
  }

  get(request: FakeRequest): ObjectMessage[] {
    const { header } = splitPayload(request.payload, HEADER_BYTES);
    const [family, index] = [header.getUint8(0), header.getUint32(4, true)];
    if (index !== 0 && !this.#links.has(index)) throw new Refusal(ENODEV);
    return [...this.#addrs.values()]
      .filter((addr) => family === AF_UNSPEC || addr.family === family)
      .filter((addr) => index === 0 || addr.linkIndex === index)
      .toSorted((a, b) => a.family - b.family || a.linkIndex - b.linkIndex)
      .map((addr) => message(RTM_NEWADDR, addr));
  }

  /** Throws Refusal. */
  add(request: FakeRequest): { addr: FakeAddr; events: FakeEvent[] } {
    const addr = this.#read(request);
    if (!this.#links.has(addr.linkIndex)) throw new Refusal(ENODEV);
    const key = keyOf(addr);
    if (this.#addrs.has(key) && !request.replace) {
      const family = addr.family === AF_INET ? 'ipv4' : 'ipv6';
      throw new Refusal(EEXIST, `${family}: address already assigned`);
    }
    this.#addrs.set(key, addr);
    return { addr, events: [event(RTM_NEWADDR, addr)] };
  }

  /** Throws Refusal. */
  remove(request: FakeRequest): { addr: FakeAddr; events: FakeEvent[] } {
    const asked = this.#read(request);
    if (!this.#links.has(asked.linkIndex)) throw new Refusal(ENODEV);
    const addr = this.#addrs.get(keyOf(asked));
    if (addr === undefined) {
      const family = asked.family === AF_INET ? 'ipv4' : 'ipv6';
      throw new Refusal(EADDRNOTAVAIL, `${family}: address not found`);
    }
    this.#addrs.delete(keyOf(addr));
    return { addr, events: [event(RTM_DELADDR, addr)] };
  }

  /** The link is gone, and its addresses with it. */
  forget(linkIndex: number): FakeEvent[] {
    const gone = this.ofLink(linkIndex);
    for (const addr of gone) this.#addrs.delete(keyOf(addr));
    return gone.map((addr) => event(RTM_DELADDR, addr));
  }

  #read(request: FakeRequest): FakeAddr {
    const { header, attributes } = splitPayload(request.payload, HEADER_BYTES);
    const address = attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS);
    if (address === undefined) throw new Refusal(EINVAL);
    const family = header.getUint8(0);
    const linkIndex = header.getUint32(4, true);
    const kept = new Map(attributes);
    const flags = (number(attributes.get(IFA_FLAGS)) ?? header.getUint8(2)) | IFA_F_PERMANENT;
    kept.set(IFA_FLAGS, fromU32(flags));
    kept.set(IFA_ADDRESS, attributes.get(IFA_ADDRESS) ?? address);
    if (family === AF_INET && !kept.has(IFA_LABEL)) {
      kept.set(IFA_LABEL, fromText(this.#links.name(linkIndex)));
    }
    // IPv6 tells a local address of its own for point-to-point links only.
    if (family !== AF_INET) kept.delete(IFA_LOCAL);
    return {
      family,
      prefixLength: header.getUint8(1),
      scope: header.getUint8(3),
      linkIndex,
      flags,
      address,
      attributes: kept,
    };
  }
}

function keyOf({ linkIndex, family, prefixLength, address }: FakeAddr): string {
  return `${linkIndex} ${family} ${address.join('.')}/${prefixLength}`;
}

function event(type: number, addr: FakeAddr): FakeEvent {
  const group = addr.family === AF_INET ? RTNLGRP_IPV4_IFADDR : RTNLGRP_IPV6_IFADDR;
  return { group, ...message(type, addr) };
}

function message(type: number, addr: FakeAddr): ObjectMessage {
  const header = new Uint8Array(HEADER_BYTES);
  header.set([addr.family, addr.prefixLength, addr.flags & 0xff, addr.scope]);
  new DataView(header.buffer).setUint32(4, addr.linkIndex, true);
  return { type, payload: Buffer.concat([header, encodeRaw(addr.attributes)]) };
}
