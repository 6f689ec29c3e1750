import { type FakeEvent, type ObjectMessage, Refusal } from './answer.ts';
import {
  encodeRaw,
  equal,
  fromText,
  fromU32,
  number,
  parseRaw,
  type RawAttributes,
  text,
} from './raw-attributes.ts';
import { type FakeRequest, splitPayload } from './request.ts';

/* linux/rtnetlink.h, linux/if_link.h */
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTNLGRP_LINK = 1;
const HEADER_BYTES = 16; // struct ifinfomsg
const IFLA_ADDRESS = 1;
const IFLA_BROADCAST = 2;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINK = 5;
const IFLA_MASTER = 10;
const IFLA_TXQLEN = 13;
const IFLA_OPERSTATE = 16;
const IFLA_LINKINFO = 18;
const IFLA_NET_NS_PID = 19;
const IFLA_NET_NS_FD = 28;
const IFLA_EXT_MASK = 29;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_INFO_SLAVE_KIND = 4;
const IFLA_INFO_SLAVE_DATA = 5;
const VETH_INFO_PEER = 1;
const IFF_UP = 1;
const ETH_DATA_LEN = 1500;
const ARPHRD_ETHER = 1;
const ARPHRD_LOOPBACK = 772;

const ENODEV = 19;
const EEXIST = 17;
const EINVAL = 22;
const EOPNOTSUPP = 95;
const ELOOP = 40;

const KINDS = ['bridge', 'dummy', 'ifb', 'ipvlan', 'macvlan', 'veth', 'vlan', 'vrf', 'vxlan'];
/** Of a request: what is told in another way, or is no property of the link. */
const NOT_KEPT = [IFLA_LINKINFO, IFLA_NET_NS_FD, IFLA_NET_NS_PID, IFLA_EXT_MASK];
/** What a bridge tells of a port that nothing was set for: IFLA_BRPORT_*. */
const BRIDGE_PORT: RawAttributes = new Map([
  [1, Uint8Array.of(0)], // state: disabled
  [4, Uint8Array.of(0)], // hairpin mode
  [33, Uint8Array.of(0)], // isolated
]);

interface FakeLink {
  readonly index: number;
  readonly hardwareType: number;
  readonly kind: string | undefined;
  flags: number;
  attributes: Map<number, Uint8Array>;
  data: Map<number, Uint8Array>;
  slaveData: Map<number, Uint8Array>;
}

/** The links of a fake kernel. */
export class FakeLinks {
  readonly #links = new Map<number, FakeLink>();
  #nextIndex = 2;

  constructor() {
    const attributes = new Map([
      [IFLA_IFNAME, fromText('lo')],
      [IFLA_MTU, fromU32(65_536)],
      [IFLA_TXQLEN, fromU32(1000)],
      [IFLA_ADDRESS, new Uint8Array(6)],
      [IFLA_BROADCAST, new Uint8Array(6)],
    ]);
    const lo = { index: 1, hardwareType: ARPHRD_LOOPBACK, kind: undefined, flags: 0x8 };
    this.#links.set(1, { ...lo, attributes, data: new Map(), slaveData: new Map() });
  }

  /** Whether there is such a link. */
  has(index: number): boolean {
    return this.#links.has(index);
  }

  /** Whether the link is set up. */
  isUp(index: number): boolean {
    return ((this.#links.get(index)?.flags ?? 0) & IFF_UP) !== 0;
  }

  /** The name of a link. */
  name(index: number): string {
    return text(this.#links.get(index)?.attributes.get(IFLA_IFNAME)) ?? '';
  }

  /** Throws Refusal when there is none. */
  get(request: FakeRequest): ObjectMessage[] {
    const { header, attributes } = splitPayload(request.payload, HEADER_BYTES);
    if (!request.isDump) {
      const link = this.#find(header.getInt32(4, true), text(attributes.get(IFLA_IFNAME)));
      if (link === undefined) throw new Refusal(ENODEV);
      return [this.#message(RTM_NEWLINK, link)];
    }
    const known = [IFLA_MASTER, IFLA_LINKINFO, IFLA_EXT_MASK];
    if ([...attributes.keys()].some((id) => !known.includes(id))) {
      throw new Refusal(EINVAL, 'Unsupported attribute in link dump request');
    }
    const master = attributes.get(IFLA_MASTER);
    const kind = text(info(attributes).get(IFLA_INFO_KIND));
    return [...this.#links.values()]
      .filter((link) => master === undefined || equal(link.attributes.get(IFLA_MASTER), master))
      .filter((link) => kind === undefined || link.kind === kind)
      .map((link) => this.#message(RTM_NEWLINK, link));
  }

  /** Makes a link or changes one. Throws Refusal. */
  add(request: FakeRequest): FakeEvent[] {
    const { header, attributes } = splitPayload(request.payload, HEADER_BYTES);
    const index = header.getInt32(4, true);
    const name = text(attributes.get(IFLA_IFNAME));
    const link = this.#find(index, index === 0 ? name : undefined);
    if (link !== undefined) {
      if (request.exclusive) throw new Refusal(EEXIST);
      return this.#set(link, header, attributes);
    }
    if (!request.create) throw new Refusal(ENODEV);
    const details = info(attributes);
    const kind = text(details.get(IFLA_INFO_KIND));
    if (kind === undefined || !KINDS.includes(kind)) {
      throw new Refusal(EOPNOTSUPP, 'Unknown device type');
    }
    const data = parseRaw(details.get(IFLA_INFO_DATA) ?? new Uint8Array());
    const made = kind === 'veth' ? this.#makeVeth(header, attributes, data) : [];
    if (kind !== 'veth') made.push(this.#make(kind, header, attributes, data));
    return made.map((each) => this.#event(RTM_NEWLINK, each));
  }

  /** Removes a link, and a veth's other end. Gives their indexes too. Throws Refusal. */
  remove(request: FakeRequest): { indexes: number[]; events: FakeEvent[] } {
    const { header, attributes } = splitPayload(request.payload, HEADER_BYTES);
    const link = this.#find(header.getInt32(4, true), text(attributes.get(IFLA_IFNAME)));
    if (link === undefined) throw new Refusal(ENODEV);
    if (link.kind === undefined) throw new Refusal(EOPNOTSUPP);
    const peer = this.#links.get(number(link.attributes.get(IFLA_LINK)) ?? 0);
    const gone = link.kind === 'veth' && peer !== undefined ? [link, peer] : [link];
    for (const each of gone) {
      this.#links.delete(each.index);
      for (const port of this.#links.values()) {
        if (number(port.attributes.get(IFLA_MASTER)) === each.index) release(port);
      }
    }
    return {
      indexes: gone.map((each) => each.index),
      events: gone.map((each) => this.#event(RTM_DELLINK, each)),
    };
  }

  #find(index: number, name: string | undefined): FakeLink | undefined {
    const byIndex = this.#links.get(index);
    if (byIndex !== undefined || name === undefined) return byIndex;
    return [...this.#links.values()].find(
      (link) => text(link.attributes.get(IFLA_IFNAME)) === name,
    );
  }

  #makeVeth(header: DataView, attributes: RawAttributes, data: RawAttributes): FakeLink[] {
    const payload = data.get(VETH_INFO_PEER) ?? new Uint8Array(HEADER_BYTES);
    const peer = splitPayload(payload, HEADER_BYTES);
    const peerName = text(peer.attributes.get(IFLA_IFNAME));
    if (peerName !== undefined && this.#find(0, peerName) !== undefined) throw new Refusal(EEXIST);
    const far = this.#make('veth', peer.header, peer.attributes, new Map());
    const near = this.#make('veth', header, attributes, new Map());
    far.attributes.set(IFLA_LINK, fromU32(near.index));
    near.attributes.set(IFLA_LINK, fromU32(far.index));
    const elsewhere = peer.attributes.has(IFLA_NET_NS_FD) || peer.attributes.has(IFLA_NET_NS_PID);
    if (elsewhere) this.#links.delete(far.index);
    return elsewhere ? [near] : [far, near];
  }

  #make(
    kind: string,
    header: DataView,
    attributes: RawAttributes,
    data: Map<number, Uint8Array>,
  ): FakeLink {
    const index = this.#nextIndex;
    this.#nextIndex += 1;
    const link: FakeLink = {
      index,
      kind,
      hardwareType: ARPHRD_ETHER,
      flags: 0x1002, // IFF_BROADCAST | IFF_MULTICAST
      attributes: new Map([
        [IFLA_IFNAME, fromText(this.#freeName(kind))],
        [IFLA_MTU, fromU32(kind === 'vxlan' ? 1450 : ETH_DATA_LEN)],
        [IFLA_TXQLEN, fromU32(1000)],
        [IFLA_ADDRESS, Uint8Array.of(2, 0, 0, 0, index >> 8, index)],
        [IFLA_BROADCAST, new Uint8Array(6).fill(255)],
      ]),
      data,
      slaveData: new Map(),
    };
    this.#links.set(index, link);
    this.#apply(link, header, attributes);
    return link;
  }

  #freeName(kind: string): string {
    let number = 0;
    while (this.#find(0, `${kind}${number}`) !== undefined) number += 1;
    return `${kind}${number}`;
  }

  #set(link: FakeLink, header: DataView, attributes: RawAttributes): FakeEvent[] {
    const name = text(attributes.get(IFLA_IFNAME));
    const namesake = name === undefined ? undefined : this.#find(0, name);
    if (namesake !== undefined && namesake !== link) throw new Refusal(EEXIST);
    this.#apply(link, header, attributes);
    const moved = attributes.has(IFLA_NET_NS_FD) || attributes.has(IFLA_NET_NS_PID);
    if (moved) this.#links.delete(link.index);
    return [this.#event(moved ? RTM_DELLINK : RTM_NEWLINK, link)];
  }

  #apply(link: FakeLink, header: DataView, attributes: RawAttributes): void {
    const master = number(attributes.get(IFLA_MASTER));
    if (master === link.index) throw new Refusal(ELOOP);
    if (master !== undefined && master !== 0 && !this.#links.has(master)) throw new Refusal(EINVAL);
    const before = number(link.attributes.get(IFLA_MASTER));
    const change = header.getUint32(12, true);
    link.flags = (link.flags & ~change) | (header.getUint32(8, true) & change);
    for (const [id, bytes] of attributes) {
      if (NOT_KEPT.includes(id)) continue;
      link.attributes.set(id, bytes);
    }
    if (master === 0) release(link);
    for (const bridge of [before, master]) this.#adaptMtu(bridge);
    const details = info(attributes);
    const slaveData = parseRaw(details.get(IFLA_INFO_SLAVE_DATA) ?? new Uint8Array());
    for (const [id, bytes] of slaveData) link.slaveData.set(id, bytes);
    if (link.kind === 'veth') return;
    const data = parseRaw(details.get(IFLA_INFO_DATA) ?? new Uint8Array());
    for (const [id, bytes] of data) link.data.set(id, bytes);
  }

  /** A bridge takes the least of its ports' MTUs. */
  #adaptMtu(index: number | undefined): void {
    const bridge = this.#links.get(index ?? 0);
    if (bridge?.kind !== 'bridge') return;
    const mtus = [...this.#links.values()]
      .filter((port) => number(port.attributes.get(IFLA_MASTER)) === bridge.index)
      .map((port) => number(port.attributes.get(IFLA_MTU)) ?? 0);
    bridge.attributes.set(IFLA_MTU, fromU32(Math.min(...mtus, ETH_DATA_LEN)));
  }

  #event(type: number, link: FakeLink): FakeEvent {
    return { group: RTNLGRP_LINK, ...this.#message(type, link) };
  }

  #message(type: number, link: FakeLink): ObjectMessage {
    const header = new Uint8Array(HEADER_BYTES);
    const view = new DataView(header.buffer);
    view.setUint16(2, link.hardwareType, true);
    view.setInt32(4, link.index, true);
    view.setUint32(8, link.flags, true);
    const attributes = new Map(link.attributes);
    const IF_OPER_UP = 6;
    const IF_OPER_DOWN = 2;
    const operstate = (link.flags & IFF_UP) === 0 ? IF_OPER_DOWN : IF_OPER_UP;
    attributes.set(IFLA_OPERSTATE, Uint8Array.of(operstate));
    const details = this.#details(link);
    if (details.size > 0) {
      const nests = [IFLA_INFO_DATA, IFLA_INFO_SLAVE_DATA];
      attributes.set(IFLA_LINKINFO, encodeRaw(details, nests));
    }
    return { type, payload: Buffer.concat([header, encodeRaw(attributes, [IFLA_LINKINFO])]) };
  }

  #details(link: FakeLink): Map<number, Uint8Array> {
    const details = new Map<number, Uint8Array>();
    if (link.kind !== undefined) details.set(IFLA_INFO_KIND, fromText(link.kind));
    if (link.data.size > 0) details.set(IFLA_INFO_DATA, encodeRaw(link.data));
    const master = this.#links.get(number(link.attributes.get(IFLA_MASTER)) ?? 0);
    if (master?.kind === 'bridge') {
      details.set(IFLA_INFO_SLAVE_KIND, fromText('bridge'));
      const port = new Map([...BRIDGE_PORT, ...link.slaveData]);
      details.set(IFLA_INFO_SLAVE_DATA, encodeRaw(port));
    }
    return details;
  }
}

/** Takes a link from its master. */
function release(link: FakeLink): void {
  link.attributes.delete(IFLA_MASTER);
  link.slaveData.clear();
}

function info(attributes: RawAttributes): RawAttributes {
  return parseRaw(attributes.get(IFLA_LINKINFO) ?? new Uint8Array());
}
