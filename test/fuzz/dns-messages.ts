import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseManifest } from '../../src/cluster/manifests/parse.ts';
import { Store } from '../../src/cluster/store.ts';
import { ClusterZone } from '../../src/dns/cluster-zone.ts';
import { Answerer, OUTCOME, TCP_BYTES_MAX, UDP_BYTES_MAX } from '../../src/dns/server/answer.ts';
import { truncateReply } from '../../src/dns/wire/truncate.ts';
import { KUBERNETES_ZONE_DEFAULTS } from '../../src/dns/zone/options.ts';
import { encodeQuery } from '../integration/dns/ask.ts';

/* Broken DNS messages, made from good ones by a generator that gives the same for the same seed. */

const MESSAGE_BYTES_MAX = 2048;
const OPTIONS = Buffer.from('000a00080102030405060708000300000008000700011800c00002', 'hex');

/** Numbers from 0 up to a limit (xorshift32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0 || 1;
  }

  below(limit: number): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return (state >>> 0) % limit;
  }
}

/** What mutations begin with: a query of each kind, and what has broken servers before. */
export function corpus(): Buffer[] {
  const names = [
    'svc1.testns.svc.cluster.local',
    '_http._tcp.hdls1.testns.svc.cluster.local',
    'chain.testns.svc.cluster.local',
    'loop-a.testns.svc.cluster.local',
    'cluster.local',
    '1.0.0.10.in-addr.arpa',
    `1.${'0.'.repeat(23)}d.c.b.a.4.3.2.1.ip6.arpa`,
    '10-0-0-1.testns.pod.cluster.local',
    'fd00--1.testns.pod.cluster.local',
    'a.b.pin._zone.hdls1.testns.svc.cluster.local',
    'version.bind',
    '.',
    `${'a.'.repeat(110)}cluster.local`,
  ];
  const queries = names.flatMap((name) =>
    ['A', 'AAAA', 'SRV', 'PTR', 'ANY', 'IXFR', 'TYPE41'].flatMap((type) => [
      encodeQuery({ name, type }),
      encodeQuery({ name, type, edns: { sizeBytes: 4096, flags: 0x8000, options: OPTIONS } }),
      encodeQuery({ name, type, classNumber: 3 }),
    ]),
  );
  const header = Buffer.from('123401000001000000000000', 'hex');
  return [
    ...queries,
    // Every count at its largest; a name that points at itself; pointers in a ring; labels of 64.
    Buffer.from('12340100ffffffffffffffff', 'hex'),
    Buffer.concat([header, Buffer.from('c00c00010001', 'hex')]),
    Buffer.concat([header, Buffer.from('01610161c00e00010001c00c', 'hex')]),
    Buffer.concat([header, Buffer.alloc(300, 0x40)]),
    Buffer.concat([header, Buffer.alloc(1200, 1)]),
    Buffer.concat([
      header,
      ...Array.from({ length: 5 }, () => Buffer.concat([Buffer.of(63), Buffer.alloc(63, 97)])),
    ]),
  ];
}

/** Changes a message in one to six places: octets, lengths, pieces gone, doubled or of another. */
export function mutate(random: Random, seeds: readonly Buffer[]): Buffer {
  const pick = (): Buffer => seeds[random.below(seeds.length)] ?? Buffer.alloc(12);
  let message = Buffer.from(pick());
  for (let count = 1 + random.below(6); count > 0; count -= 1) {
    const at = random.below(Math.max(1, message.length));
    switch (random.below(8)) {
      case 0:
        message[at] = random.below(256);
        break;
      case 1:
        message[at] = (message[at] ?? 0) ^ (1 << random.below(8));
        break;
      case 2:
        message[at] = [0, 1, 12, 63, 64, 0x80, 0xc0, 0xff][random.below(8)] ?? 0;
        break;
      case 3:
        message = message.subarray(0, at);
        break;
      case 4:
        message = Buffer.concat([
          message.subarray(0, at),
          message.subarray(at + 1 + random.below(16)),
        ]);
        break;
      case 5:
        message = Buffer.concat([message.subarray(0, at), message.subarray(random.below(at + 1))]);
        break;
      case 6:
        message = Buffer.concat([message.subarray(0, at), pick().subarray(random.below(40))]);
        break;
      default:
        // The counts of the header are what a parser believes first.
        if (message.length >= 12)
          message.writeUInt16BE(random.below(65_536), 4 + 2 * random.below(4));
    }
  }
  return message.subarray(0, MESSAGE_BYTES_MAX);
}

/** Answers messages as a server does and says what is wrong with an answer. */
export class Subject {
  readonly #zone = new ClusterZone(
    {
      ...KUBERNETES_ZONE_DEFAULTS,
      zones: ['cluster.local', 'in-addr.arpa', 'ip6.arpa'],
      pods: 'insecure',
      zonal: true,
    },
    16 << 20,
  );
  readonly #answerer = new Answerer({
    cookieSecret: new Uint8Array(16),
    nsid: 'n',
    chaosVersion: 'v',
  });
  readonly #client = Uint8Array.of(192, 0, 2, 1);
  readonly #reply = new Uint8Array(TCP_BYTES_MAX);
  readonly #udpReply = new Uint8Array(UDP_BYTES_MAX);

  constructor() {
    const path = join(import.meta.dirname, '../integration/dns/fixtures/names.yaml');
    const store = new Store();
    store.replace(parseManifest(path, readFileSync(path, 'utf8')).objects);
    this.#zone.load(store);
    this.#zone.setSynced(true);
  }

  /** Answers once; gives the answer's length. */
  answer(message: Uint8Array, overTcp: boolean): number {
    const reply = overTcp ? this.#reply : this.#udpReply;
    return this.#answerer.answer(
      this.#zone.table,
      message,
      message.length,
      reply,
      overTcp,
      this.#client,
    );
  }

  /** What is wrong with the answer to a message; undefined when nothing is. */
  problemWith(message: Uint8Array, overTcp: boolean): string | undefined {
    const length = this.answer(message, overTcp);
    if (length === 0) {
      const isAnswer = message.length < 12 || ((message[2] ?? 0) & 0x80) !== 0;
      return isAnswer ? undefined : 'a query without an answer';
    }
    const reply = (overTcp ? this.#reply : this.#udpReply).subarray(0, length);
    if (length < 12) return `an answer of ${length} octets`;
    if (!overTcp && length > this.#answerer.limitBytes)
      return `an answer of ${length} octets over UDP`;
    if (reply[0] !== message[0] || reply[1] !== message[1]) return 'another id';
    if (((reply[2] ?? 0) & 0x80) === 0) return 'an answer that is a query';
    if (overTcp && ((reply[2] ?? 0) & 2) !== 0) return 'TC over TCP';
    const { outcome } = this.#answerer;
    if (!Object.values(OUTCOME).some((each) => each === outcome)) return `outcome ${outcome}`;
    for (const limit of [512, 100, 12]) {
      const cut = truncateReply(reply, limit);
      if (cut.length > limit) return `cut to ${cut.length} octets, not ${limit}`;
    }
    return undefined;
  }
}
