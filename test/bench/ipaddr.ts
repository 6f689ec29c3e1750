import { Address4, Address6 } from 'ip-address';
import { IPv4, IPv4CidrRange, IPv6, IPv6CidrRange } from 'ip-num';
import ipaddrJs from 'ipaddr.js';
import { Addr } from '../../src/ipaddr/addr.ts';
import { classify } from '../../src/ipaddr/classify/classify.ts';
import { parseAddr } from '../../src/ipaddr/parse-addr.ts';
import { Pool } from '../../src/ipaddr/pool/pool.ts';
import { parsePrefix } from '../../src/ipaddr/prefix.ts';
import { Range } from '../../src/ipaddr/range.ts';
import { type Candidate, interleave, type Sample, timeMs } from './measure.ts';
import { publish } from './report.ts';

/* What the work on addresses costs, beside the libraries people use for it. Nanoseconds each. */

const ROUNDS = 15;
const COUNT = 1024;
/** Each run goes through the addresses so many times, to be long against the clock. */
const REPEATS = 20;

/** Numbers that look random and are the same each time (Park and Miller's generator). */
function* numbers(): Generator<number, never> {
  for (let seed = 1; ; ) {
    seed = (seed * 48_271) % 0x7fff_ffff;
    yield seed;
  }
}

const next = numbers();
const word = (): number => (next.next().value * 2) >>> 0;
const v4 = Array.from({ length: COUNT }, () => Addr.v4(word()));
/** As clusters have them: a prefix, zeros, and a number. */
const v6 = Array.from({ length: COUNT }, () => Addr.v6(0xfd000010, word(), 0, word() & 0xffff));
const texts4 = v4.map(String);
const texts6 = v6.map(String);

/** Keeps results from being optimised away. */
let sink = 0;

function each<T>(name: string, items: readonly T[], work: (item: T) => unknown): Candidate {
  return {
    name,
    run: () => {
      const ms = timeMs(() => {
        for (let repeat = 0; repeat < REPEATS; repeat += 1) {
          for (const item of items) if (work(item)) sink += 1;
        }
      });
      return (ms * 1e6) / (items.length * REPEATS);
    },
  };
}

const ipNum4 = texts4.map((text) => new IPv4(text));
const ipNum6 = v6.map((addr) => new IPv6(addr.toBigInt()));
const js4 = texts4.map((text) => ipaddrJs.IPv4.parse(text));
const js6 = texts6.map((text) => ipaddrJs.IPv6.parse(text));
const address4 = texts4.map((text) => new Address4(text));
const address6 = texts6.map((text) => new Address6(text));

const parse4 = interleave(
  [
    each('podwire', texts4, parseAddr),
    each('ipaddr.js', texts4, (text) => ipaddrJs.IPv4.parse(text)),
    each('ip-address', texts4, (text) => new Address4(text)),
    each('ip-num', texts4, (text) => new IPv4(text)),
  ],
  ROUNDS,
);
const parse6 = interleave(
  [
    each('podwire', texts6, parseAddr),
    each('ipaddr.js', texts6, (text) => ipaddrJs.IPv6.parse(text)),
    each('ip-address', texts6, (text) => new Address6(text)),
    each('ip-num', texts6, (text) => new IPv6(text)),
  ],
  ROUNDS,
);
const print4 = interleave(
  [
    each('podwire', v4, String),
    each('ipaddr.js', js4, String),
    each('ip-address', address4, (addr) => addr.correctForm()),
    each('ip-num', ipNum4, String),
  ],
  ROUNDS,
);
const print6 = interleave(
  [
    each('podwire', v6, String),
    each('ipaddr.js', js6, String),
    each('ip-address', address6, (addr) => addr.correctForm()),
    each('ip-num', ipNum6, String),
  ],
  ROUNDS,
);

const prefix4 = parsePrefix('64.0.0.0/3');
const prefix6 = parsePrefix('fd00:10:8000::/33');
const jsPrefix4 = ipaddrJs.IPv4.parseCIDR('64.0.0.0/3');
const jsPrefix6 = ipaddrJs.IPv6.parseCIDR('fd00:10:8000::/33');
const addressPrefix4 = new Address4('64.0.0.0/3');
const addressPrefix6 = new Address6('fd00:10:8000::/33');
const ipNumPrefix4 = IPv4CidrRange.fromCidr('64.0.0.0/3');
const ipNumPrefix6 = IPv6CidrRange.fromCidr('fd00:10:8000:0:0:0:0:0/33');

const contains4 = interleave(
  [
    each('podwire', v4, (addr) => prefix4.contains(addr)),
    each('ipaddr.js', js4, (addr) => addr.match(jsPrefix4)),
    each('ip-address', address4, (addr) => addr.isInSubnet(addressPrefix4)),
    each('ip-num', ipNum4, (addr) => ipNumPrefix4.contains(IPv4CidrRange.fromCidr(`${addr}/32`))),
  ],
  ROUNDS,
);
const contains6 = interleave(
  [
    each('podwire', v6, (addr) => prefix6.contains(addr)),
    each('ipaddr.js', js6, (addr) => addr.match(jsPrefix6)),
    each('ip-address', address6, (addr) => addr.isInSubnet(addressPrefix6)),
    each('ip-num', ipNum6, (addr) => ipNumPrefix6.contains(IPv6CidrRange.fromCidr(`${addr}/128`))),
  ],
  ROUNDS,
);
const classified = interleave(
  [
    each('podwire', [...v4, ...v6], classify),
    each('ipaddr.js, one word of it', [...js4, ...js6], (addr) => addr.range()),
  ],
  ROUNDS,
);

const pool = Pool.of({ ranges: [Range.ofPrefix(parsePrefix('10.0.0.0/8'))] });
for (let at = 0; at < 1_000_000; at += 1) pool.allocateNext();
/** What people write who have no pool: a set of texts and a walk. */
const held = new Set<string>();
for (let at = 0; at < 1_000_000; at += 1) held.add(`${Addr.v4(0x0a000000 + at)}`);
const given = Array.from({ length: COUNT }, () => Addr.v4(0x0a000000 + (word() % 1_000_000)));
const pooled = interleave(
  [
    each('podwire, release and lowest free of a million leases', given, (addr) => {
      pool.release(addr);
      return pool.allocateLowest();
    }),
    each('podwire, release and next free', given, (addr) => {
      pool.release(addr);
      const found = pool.allocateNext();
      if (found !== undefined) pool.release(found);
      return pool.reserve(addr);
    }),
    each(
      'a Set of texts, release and take again, which finds nothing free by itself',
      given,
      (addr) => {
        held.delete(`${addr}`);
        return held.add(`${addr}`);
      },
    ),
  ],
  ROUNDS,
);

/** Bytes of garbage that `contains` leaves for each call; below a byte, nothing is allocated. */
function garbage(): number {
  const calls = 2_000_000;
  for (let at = 0; at < 100_000; at += 1)
    if (prefix6.contains(v6[at % COUNT] ?? prefix6.addr)) sink += 1;
  const before = process.memoryUsage().heapUsed;
  for (let at = 0; at < calls; at += 1)
    if (prefix6.contains(v6[at % COUNT] ?? prefix6.addr)) sink += 1;
  return Math.max(0, process.memoryUsage().heapUsed - before) / calls;
}

const ours = (samples: readonly Sample[]): number => samples[0]?.median ?? Number.NaN;
const fastest = (samples: readonly Sample[]): number =>
  Math.min(...samples.slice(1).map(({ median }) => median));

publish({
  name: 'bench-ipaddr',
  tables: [
    { title: 'parse IPv4', unit: 'ns', samples: parse4 },
    { title: 'parse IPv6', unit: 'ns', samples: parse6 },
    { title: 'print IPv4', unit: 'ns', samples: print4 },
    { title: 'print IPv6', unit: 'ns', samples: print6 },
    { title: 'IPv4 in a prefix', unit: 'ns', samples: contains4 },
    { title: 'IPv6 in a prefix', unit: 'ns', samples: contains6 },
    { title: 'classify, both families', unit: 'ns', samples: classified },
    { title: 'pool', unit: 'ns', samples: pooled },
  ],
  goals: [
    {
      text: 'parse IPv4 at least 5 times as fast as the fastest library: time beside it',
      figure: ours(parse4) / fastest(parse4),
      limit: 1 / 5,
    },
    {
      text: 'parse IPv6 at least 3 times as fast: time beside it',
      figure: ours(parse6) / fastest(parse6),
      limit: 1 / 3,
    },
    { text: 'classify, ns', figure: ours(classified), limit: 150 },
    { text: 'garbage of contains, bytes a call', figure: garbage(), limit: 0.5 },
  ],
});
if (sink === 0) throw new Error('nothing was measured');
