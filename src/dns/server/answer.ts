import {
  BELOW_EMPTY,
  BELOW_PODS,
  BELOW_SERVICE,
  KIND_SERVICE_ADDRESSES,
  VIEW_CLUSTER,
  VIEW_CLUSTERSET,
} from '../table/format.ts';
import { emptyRrset, type Table, type TableZone } from '../table/table.ts';
import {
  CLASS_ANY,
  CLASS_CH,
  CLASS_IN,
  EDE,
  HEADER_BYTES,
  RCODE,
  TYPE,
} from '../wire/constants.ts';
import { encodeName } from '../wire/name.ts';
import { WireName } from '../wire/wire-name.ts';
import { COOKIE_BYTES, Cookies } from './cookie.ts';
import { readDashed } from './dashed.ts';
import {
  writeAddresses,
  writeCname,
  writeGlue,
  writeNs,
  writePtr,
  writeSoa,
  writeSrv,
  writeTxt,
} from './records.ts';
import { FLAG_AA, FLAG_TC, Reply } from './reply.ts';
import { NO_REPLY, Request } from './request.ts';
import { readReverse } from './reverse.ts';
import type { TableChoice } from './routes.ts';

/** The largest UDP answer, which passes every path unfragmented (RFC 9715, DNS flag day 2020). */
export const UDP_BYTES_MAX = 1232;
/** What a client without EDNS takes (RFC 1035 section 2.3.4). */
const PLAIN_UDP_BYTES_MAX = 512;
/** What a length of two bytes can say. */
export const TCP_BYTES_MAX = 65_535;
/** ExternalNames that lead to one another are followed this far, as CoreDNS does. */
const CNAMES_MAX = 10;
const TURNS_MAX = 0x4000_0000;

const NO_CLIENT = new Uint8Array();
const ZONE_LABEL = encodeName('_zone').subarray(0, -1);
const VERSION_BIND = encodeName('version.bind');
const VERSION_SERVER = encodeName('version.server');
const HOSTNAME_BIND = encodeName('hostname.bind');
const ID_SERVER = encodeName('id.server');

/**
 * What the table could say. Anything but `answered` means that somebody else may know better; the
 * reply that was written is what to send when there is nobody.
 */
export const OUTCOME = {
  ANSWERED: 0,
  /** The name is in none of the zones, or in one that is not answered from a table. */
  OUTSIDE: 1,
  /** The name isn't there, and the zone leaves such names to what comes next. */
  FALLTHROUGH: 2,
  /** An ExternalName leads out of the zones: `target` of the Answerer says where. */
  EXTERNAL: 3,
  /** A transfer over TCP of the zone whose name the question has. */
  TRANSFER: 4,
} as const;

/** How a server presents itself. */
export interface AnswererOptions {
  /** Sets RA: somebody resolves what the table does not know. */
  readonly recursionAvailable?: boolean;
  /** The secret of DNS cookies (RFC 9018), 16 octets; without one no cookies are made. */
  readonly cookieSecret?: Uint8Array;
  /** What NSID gives (RFC 5001). */
  readonly nsid?: string;
  /** TXT of version.bind and version.server in class CH; refused without. */
  readonly chaosVersion?: string;
  /** TXT of hostname.bind and id.server in class CH; refused without. */
  readonly chaosHostname?: string;
  /** What TCP connections may idle, for those who ask (RFC 7828). */
  readonly tcpIdleMs?: number;
}

/**
 * Answers queries from a table, for UDP and TCP alike, without allocating. One object serves one
 * thread; what it says beside the reply is that of the last answer.
 */
export class Answerer {
  /** The response code. */
  rcode = 0;
  /** One of OUTCOME. */
  outcome: number = OUTCOME.ANSWERED;
  readonly request = new Request();
  /** Where a CNAME leads. */
  readonly target = new WireName();
  readonly #reply = new Reply();
  readonly #rrset = emptyRrset();
  readonly #other = emptyRrset();
  readonly #address = new Uint8Array(16);
  /** The entries whose CNAMEs led to where the answer is now. */
  readonly #followed = new Int32Array(CNAMES_MAX);
  readonly #cookie = new Uint8Array(COOKIE_BYTES);
  readonly #cookies: Cookies | undefined;
  readonly #nsid: Uint8Array;
  readonly #chaosVersion: Uint8Array | undefined;
  readonly #chaosHostname: Uint8Array | undefined;
  readonly #keepalive: number;
  #turn = 0;
  #overTcp = false;
  /** The answer is of a table that may be out of date. */
  #isStale = false;

  constructor(options: AnswererOptions = {}) {
    const { cookieSecret, nsid, chaosVersion, chaosHostname, tcpIdleMs } = options;
    this.#reply.recursionAvailable = options.recursionAvailable ?? false;
    this.#reply.sizeBytes = UDP_BYTES_MAX;
    this.#cookies = cookieSecret === undefined ? undefined : new Cookies(cookieSecret);
    this.#nsid = new TextEncoder().encode(nsid ?? '');
    this.#chaosVersion = chaosVersion === undefined ? undefined : text(chaosVersion);
    this.#chaosHostname = chaosHostname === undefined ? undefined : text(chaosHostname);
    this.#keepalive = tcpIdleMs === undefined ? -1 : Math.floor(tcpIdleMs / 100);
  }

  /**
   * Writes the answer to `request[0..length]` into `reply` and gives its length, 0 for none: what is
   * no query gets no answer. `choice` is undefined while nothing is known yet: SERVFAIL. `client` is
   * the asker's address, 4 or 16 octets; without it no cookies are made.
   */
  answer(
    choice: TableChoice | undefined,
    request: Uint8Array,
    length: number,
    reply: Uint8Array,
    overTcp: boolean,
    client: Uint8Array = NO_CLIENT,
  ): number {
    this.outcome = OUTCOME.ANSWERED;
    this.#overTcp = overTcp;
    this.#isStale = false;
    const read = this.request.read(request, length);
    if (read === NO_REPLY) return 0;
    if (read !== RCODE.NOERROR) {
      this.#reply.begin(reply, request, HEADER_BYTES, TCP_BYTES_MAX);
      this.rcode = read;
      return this.#reply.finishBare(read);
    }
    this.#begin(request, reply, client);
    if (this.request.ednsVersion > 0) return this.#finish(RCODE.BADVERS, 0);
    if (!this.request.hasQuestion) return this.#finish(RCODE.NOERROR, 0);
    return this.#question(choice);
  }

  /** REFUSED, for a client that may not ask (RFC 8914 section 4.19); after the same `read`. */
  refuse(request: Uint8Array, length: number, reply: Uint8Array, client: Uint8Array): number {
    this.outcome = OUTCOME.ANSWERED;
    const read = this.request.read(request, length);
    if (read === NO_REPLY) return 0;
    this.#overTcp = false;
    this.#isStale = false;
    this.#begin(request, reply, client);
    if (!this.request.hasQuestion) return this.#reply.finishBare(RCODE.REFUSED);
    return this.#finish(RCODE.REFUSED, 0, EDE.PROHIBITED);
  }

  /** The most octets the client of the last query takes. */
  get limitBytes(): number {
    if (this.#overTcp) return TCP_BYTES_MAX;
    if (!this.request.hasEdns) return PLAIN_UDP_BYTES_MAX;
    return Math.min(UDP_BYTES_MAX, Math.max(PLAIN_UDP_BYTES_MAX, this.request.sizeBytes));
  }

  #begin(request: Uint8Array, reply: Uint8Array, client: Uint8Array): void {
    const { hasEdns, isDnssecOk, questionEnd, cookieAt, cookieBytes } = this.request;
    const writer = this.#reply;
    writer.begin(reply, request, questionEnd, this.limitBytes);
    writer.hasEdns = hasEdns;
    writer.isDnssecOk = isDnssecOk;
    if (!hasEdns) return;
    if (this.request.wantsNsid) writer.nsid = this.#nsid;
    if (this.request.wantsKeepalive && this.#overTcp) writer.keepalive = this.#keepalive;
    if (cookieBytes > 0 && this.#cookies !== undefined && client.length > 0) {
      const now = Math.floor(Date.now() / 1000);
      this.#cookies.write(request, cookieAt, cookieBytes, client, now, this.#cookie, 0);
      writer.cookie = this.#cookie;
    }
  }

  #question(choice: TableChoice | undefined): number {
    const { type, classNumber, name } = this.request;
    if (type === TYPE.OPT || type === TYPE.TKEY || type === TYPE.TSIG) {
      return this.#finish(RCODE.FORMERR, 0);
    }
    if (classNumber === CLASS_CH) return this.#chaos();
    if (classNumber !== CLASS_IN && classNumber !== CLASS_ANY) {
      return this.#finish(RCODE.REFUSED, 0);
    }
    if (choice === undefined) return this.#finish(RCODE.SERVFAIL, 0, EDE.NOT_READY);
    const isTransfer = type === TYPE.AXFR || type === TYPE.IXFR;
    const table = choice.tableFor(name, isTransfer);
    if (isTransfer) return this.#transfer(table);
    const zone = table === undefined ? undefined : zoneOf(table, name);
    if (table === undefined || zone === undefined) {
      this.outcome = OUTCOME.OUTSIDE;
      return this.#finish(RCODE.REFUSED, 0, EDE.NOT_AUTHORITATIVE);
    }
    this.#isStale = table.isStale;
    return this.#resolve(table, zone, name, HEADER_BYTES, 0);
  }

  /** Whether the client may is for the caller to say; without one it may not. */
  #transfer(table: Table | undefined): number {
    const { name } = this.request;
    const zone = table === undefined ? undefined : zoneOf(table, name);
    if (zone === undefined || zone.name.length !== name.length) {
      return this.#finish(RCODE.NOTAUTH, 0);
    }
    if (this.#overTcp) this.outcome = OUTCOME.TRANSFER;
    return this.#finish(RCODE.REFUSED, 0, EDE.PROHIBITED);
  }

  /** Answers for a name in `zone` that stands in the reply at `base`; `depth` CNAMEs led there. */
  #resolve(table: Table, zone: TableZone, name: WireName, base: number, depth: number): number {
    const relative = name.length - zone.name.length;
    const zoneAt = base + relative;
    if (relative === 0) return this.#apex(table, zone, zoneAt);
    if (zone.kind === 'reverse4' || zone.kind === 'reverse6') {
      return this.#reverse(table, zone.kind === 'reverse4' ? 4 : 6, name, base, zoneAt);
    }
    const view = zone.kind === 'cluster' ? VIEW_CLUSTER : VIEW_CLUSTERSET;
    let entry = table.find(view, name.bytes, 0, relative);
    if (entry === 0) {
      if (table.source.podsEcho && this.#isPod(table, view, name, relative)) {
        return this.#pod(table, name, base, zoneAt);
      }
      entry = table.hasBelow ? this.#below(table, view, name, relative) : 0;
      if (entry < 0) return this.#negative(table, RCODE.NOERROR, zoneAt);
      if (entry === 0) return this.#missing(table, name, zoneAt, depth);
    }
    return this.#found(table, zone, view, entry, base, zoneAt, depth);
  }

  #found(
    table: Table,
    zone: TableZone,
    view: number,
    entry: number,
    base: number,
    zoneAt: number,
    depth: number,
  ): number {
    const rrset = this.#rrset;
    const { type } = this.request;
    const writer = this.#reply;
    // Asked for any type, one rrset is answer enough (RFC 8482 section 4.1).
    const isAny = type === TYPE.ANY;
    let isFound = table.rrset(entry, isAny ? -1 : type, rrset);
    const isAlias = isFound
      ? rrset.kind === KIND_SERVICE_ADDRESSES
      : (type === TYPE.A || type === TYPE.AAAA) &&
        table.rrset(entry, KIND_SERVICE_ADDRESSES, rrset);
    if (isAlias) {
      const own = table.nameAt(entry);
      const end = own + table.nameBytesOf(entry);
      const service = table.find(view, table.bytes, own + rrset.serviceOffset, end);
      isFound = service !== 0 && table.rrset(service, isAny ? -1 : type, rrset);
    }
    if (!isFound && table.rrset(entry, TYPE.CNAME, rrset)) {
      return this.#cname(table, entry, base, depth);
    }
    if (!isFound) return this.#negative(table, RCODE.NOERROR, zoneAt);
    this.#turn = (this.#turn + 1) % TURNS_MAX;
    const first = rrset.count > 1 ? this.#turn % rrset.count : 0;
    const start = writer.at;
    let written: number;
    switch (rrset.kind) {
      case TYPE.A:
      case TYPE.AAAA:
        written = writeAddresses(writer, table, rrset, base, first);
        break;
      case TYPE.SRV:
        written = writeSrv(writer, table, entry, rrset, base, zoneAt, zone.name.length, first);
        break;
      case TYPE.CNAME:
        written = writeCname(writer, table, rrset, base);
        break;
      default:
        written = writeTxt(writer, table, rrset, base);
    }
    writer.answers += written;
    if (written < rrset.count && !this.#overTcp) {
      // A part of an rrset would be taken for the whole, so none of it goes out (RFC 2181 9). Over TCP
      // there is no larger answer to ask for, and a part, another one each time, is better than none.
      writer.answers -= written;
      writer.at = start;
      return this.#finish(RCODE.NOERROR, FLAG_AA | FLAG_TC);
    }
    if (rrset.kind === TYPE.SRV) {
      writeGlue(writer, table, view, start, written, zone.name.length, this.#other);
    }
    return this.#finish(RCODE.NOERROR, FLAG_AA);
  }

  /** Follows a CNAME while it stays inside. */
  #cname(table: Table, entry: number, base: number, depth: number): number {
    const writer = this.#reply;
    // Names that lead back to one another lead nowhere; each is told once.
    for (let index = 0; index < depth; index += 1) {
      if (this.#followed[index] === entry) return this.#finish(RCODE.NOERROR, FLAG_AA);
    }
    this.#followed[depth] = entry;
    const start = writer.at;
    if (writeCname(writer, table, this.#rrset, base) === 0) {
      return this.#finish(RCODE.NOERROR, FLAG_AA | FLAG_TC);
    }
    writer.answers += 1;
    // Names are written out, so what comes next can point at the target.
    const targetAt = start + 12;
    this.target.read(writer.bytes, targetAt, writer.at);
    const zone = zoneOf(table, this.target);
    if (zone === undefined) {
      this.outcome = OUTCOME.EXTERNAL;
      return this.#finish(RCODE.NOERROR, FLAG_AA);
    }
    if (depth + 1 >= CNAMES_MAX) return this.#finish(RCODE.NOERROR, FLAG_AA);
    return this.#resolve(table, zone, this.target, targetAt, depth + 1);
  }

  #apex(table: Table, zone: TableZone, zoneAt: number): number {
    const { type } = this.request;
    const writer = this.#reply;
    if (type === TYPE.SOA || type === TYPE.ANY) {
      writer.answers += writeSoa(writer, table, zoneAt);
      return this.#finish(RCODE.NOERROR, FLAG_AA);
    }
    if (type !== TYPE.NS) return this.#negative(table, RCODE.NOERROR, zoneAt);
    const start = writer.at;
    const isForward = zone.kind === 'cluster' || zone.kind === 'clusterset';
    const home = isForward ? zone.name : table.source.home;
    const written = writeNs(writer, table, zoneAt, isForward, home);
    if (written < 0) {
      writer.at = start;
      return this.#finish(RCODE.NOERROR, FLAG_AA | FLAG_TC);
    }
    writer.answers += written;
    const view = zone.kind === 'clusterset' ? VIEW_CLUSTERSET : VIEW_CLUSTER;
    writeGlue(writer, table, view, start, written, home.length, this.#other);
    return this.#finish(RCODE.NOERROR, FLAG_AA);
  }

  #reverse(table: Table, family: 4 | 6, name: WireName, base: number, zoneAt: number): number {
    const bits = readReverse(name, family, this.#address);
    const length = family === 4 ? 4 : 16;
    if (bits < length * 8) {
      const exists = bits >= 0 && table.hasPrefix(this.#address, bits, family);
      if (exists) return this.#negative(table, RCODE.NOERROR, zoneAt);
      return this.#missing(table, name, zoneAt, 0);
    }
    const leaf = table.findAddress(this.#address, length);
    if (leaf === 0) return this.#missing(table, name, zoneAt, 0);
    const { type } = this.request;
    if (type !== TYPE.PTR && type !== TYPE.ANY) {
      return this.#negative(table, RCODE.NOERROR, zoneAt);
    }
    const writer = this.#reply;
    const start = writer.at;
    const written = writePtr(writer, table, leaf, base);
    if (written < 0) {
      writer.at = start;
      return this.#finish(RCODE.NOERROR, FLAG_AA | FLAG_TC);
    }
    writer.answers += written;
    return this.#finish(RCODE.NOERROR, FLAG_AA);
  }

  /** Whether the name is `address.namespace.pod` where pods are taken at their word. */
  #isPod(table: Table, view: number, name: WireName, relative: number): boolean {
    const namespaceAt = name.labels[1] ?? 0;
    if (name.labelCount < 3 || namespaceAt >= relative) return false;
    const parent = table.find(view, name.bytes, namespaceAt, relative);
    if (parent === 0 || (table.flagsOf(parent) & BELOW_PODS) === 0) return false;
    return readDashed(name.bytes, 1, name.bytes[0] ?? 0, this.#address) > 0;
  }

  /** The address that stands in the name. */
  #pod(table: Table, name: WireName, base: number, zoneAt: number): number {
    const length = readDashed(name.bytes, 1, name.bytes[0] ?? 0, this.#address);
    const own = length === 4 ? TYPE.A : TYPE.AAAA;
    const { type } = this.request;
    if (type !== own && type !== TYPE.ANY) return this.#negative(table, RCODE.NOERROR, zoneAt);
    this.#reply.record(base, own, table.ttlSeconds, length);
    this.#reply.copy(this.#address, 0, length);
    this.#reply.answers += 1;
    return this.#finish(RCODE.NOERROR, FLAG_AA);
  }

  /**
   * The entry that stands for a name that has none, by what the nearest name above it says: -1 when it
   * exists without records, 0 when it doesn't.
   */
  #below(table: Table, view: number, name: WireName, relative: number): number {
    // From the zone down, for above a name that exists all do: a long name costs no more than a short.
    let nearest = 0;
    let nearestIndex = 0;
    for (let index = name.labelCount - 1; index > 0; index -= 1) {
      const start = name.labels[index] ?? 0;
      if (start >= relative) continue;
      const entry = table.find(view, name.bytes, start, relative);
      if (entry === 0) break;
      nearest = entry;
      nearestIndex = index;
    }
    const flags = nearest === 0 ? 0 : table.flagsOf(nearest);
    if ((flags & BELOW_EMPTY) !== 0) return -1;
    if ((flags & BELOW_SERVICE) === 0) return 0;
    const service = this.#afterZoneLabel(name, nearestIndex);
    return service < 0 ? 0 : table.find(view, name.bytes, service, relative);
  }

  /** Where the label after `_zone` begins, from label `index` on, or -1. */
  #afterZoneLabel(name: WireName, index: number): number {
    for (let label = index; label + 1 < name.labelCount; label += 1) {
      const at = name.labels[label] ?? 0;
      let same = 0;
      while (same < ZONE_LABEL.length && name.bytes[at + same] === ZONE_LABEL[same]) same += 1;
      if (same === ZONE_LABEL.length) return name.labels[label + 1] ?? -1;
    }
    return -1;
  }

  /** A name that isn't there: which is certain only once the cluster is known. */
  #missing(table: Table, name: WireName, zoneAt: number, depth: number): number {
    if (!table.isSynced) return this.#finish(RCODE.SERVFAIL, 0, EDE.NOT_READY);
    if (depth === 0) {
      for (const zone of table.source.fallthrough) {
        if (!name.isWithin(zone)) continue;
        this.outcome = OUTCOME.FALLTHROUGH;
        break;
      }
    }
    return this.#negative(table, RCODE.NXDOMAIN, zoneAt);
  }

  /** NXDOMAIN or "no such type", with the zone's SOA (RFC 2308 section 3). */
  #negative(table: Table, rcode: number, zoneAt: number): number {
    this.#reply.authority += writeSoa(this.#reply, table, zoneAt);
    return this.#finish(rcode, FLAG_AA);
  }

  /** TXT of the names by which servers tell about themselves (RFC 4892). */
  #chaos(): number {
    const { name, type } = this.request;
    const isVersion = isName(name, VERSION_BIND) || isName(name, VERSION_SERVER);
    const isHost = isName(name, HOSTNAME_BIND) || isName(name, ID_SERVER);
    const data = isVersion ? this.#chaosVersion : isHost ? this.#chaosHostname : undefined;
    if (data === undefined || (type !== TYPE.TXT && type !== TYPE.ANY)) {
      return this.#finish(RCODE.REFUSED, 0);
    }
    const at = this.#reply.at;
    this.#reply.record(HEADER_BYTES, TYPE.TXT, 0, data.length);
    this.#reply.bytes[at + 5] = CLASS_CH;
    this.#reply.copy(data, 0, data.length);
    this.#reply.answers += 1;
    return this.#finish(RCODE.NOERROR, FLAG_AA);
  }

  #finish(rcode: number, flags: number, ede: number = EDE.NONE): number {
    this.rcode = rcode;
    this.#reply.ede = ede === EDE.NONE && this.#isStale ? staleness(rcode) : ede;
    return this.#reply.finish(rcode, flags);
  }
}

/** The zone a name is in: the longest, for they are in that order. */
export function zoneOf(table: Table, name: WireName): TableZone | undefined {
  const { zones } = table.source;
  for (let index = 0; index < zones.length; index += 1) {
    const zone = zones[index];
    if (zone !== undefined && name.isWithin(zone.name)) return zone;
  }
  return undefined;
}

/** How an answer says that it may be out of date (RFC 8914 sections 4.4 and 4.20). */
function staleness(rcode: number): number {
  return rcode === RCODE.NXDOMAIN ? EDE.STALE_NXDOMAIN_ANSWER : EDE.STALE_ANSWER;
}

function isName(name: WireName, wire: Uint8Array): boolean {
  return name.length === wire.length && name.isWithin(wire);
}

/** One character string of a TXT record (RFC 1035 section 3.3.14). */
function text(value: string): Uint8Array {
  const octets = new TextEncoder().encode(value).subarray(0, 255);
  return Uint8Array.of(octets.length, ...octets);
}
