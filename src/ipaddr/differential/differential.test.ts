import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { IPv4, IPv6 } from 'ip-num';
import ipaddrJs from 'ipaddr.js';
import { afterAll, describe, expect, it } from 'vitest';
import { Addr } from '../addr.ts';
import { tryParseAddr } from '../parse-addr.ts';
import { SEEDS } from '../reference/seeds.ts';
import { KNOWN_DIFFERENCES, type KnownDifference, type Peer, type Reading } from './known.ts';

/** Random addresses: any, and those with zeros in them, where printing is hardest. */
function randomAddrs(): Addr[] {
  const word = fc.oneof(
    fc.constant(0),
    fc.constant(1),
    fc.nat({ max: 0xffff_ffff }),
    fc.constant(0xffff),
  );
  const v4 = fc.nat({ max: 0xffff_ffff }).map((value) => Addr.v4(value));
  const v6 = fc.tuple(word, word, word, word).map((words) => Addr.v6(...words));
  return fc.sample(fc.oneof(v4, v6), { numRuns: 2000, seed: 7 });
}

const TEXTS: readonly string[] = [
  ...new Set([...SEEDS.map(({ text }) => text), ...randomAddrs().map(String)]),
];

const used = new Set<KnownDifference>();

function compare(peer: Peer, read: (text: string, index: number) => Reading): void {
  const unexplained: string[] = [];
  TEXTS.forEach((text, index) => {
    const ours = tryParseAddr(text)?.toString();
    const theirs = read(text, index);
    if (ours === theirs) return;
    const known = KNOWN_DIFFERENCES.find(
      (each) => each.peer === peer && each.applies(text, ours, theirs),
    );
    if (known !== undefined) used.add(known);
    else unexplained.push(`${JSON.stringify(text)}: ours ${ours}, theirs ${theirs}`);
  });
  expect(unexplained).toEqual([]);
}

const orUndefined = (read: () => string): Reading => {
  try {
    return read();
  } catch {
    return undefined;
  }
};

/** Reads all texts in one process; the texts go in as lines of JSON, for they have line breaks in them. */
function readByPython(): Reading[] {
  const script = [
    'import ipaddress, json, sys',
    'def read(text):',
    '    try: return str(ipaddress.ip_address(text))',
    '    except ValueError: return None',
    'print(json.dumps([read(text) for text in json.load(sys.stdin)]))',
  ].join('\n');
  const { stdout, stderr, status } = spawnSync('python3', ['-I', '-c', script], {
    encoding: 'utf8',
    input: JSON.stringify(TEXTS),
  });
  if (status !== 0) throw new Error(`python3: ${stderr}`);
  return (JSON.parse(stdout) as (string | null)[]).map((each) => each ?? undefined);
}

describe('reading and printing, beside', () => {
  it('ip-num', () => {
    compare('ip-num', (text) =>
      orUndefined(() => (text.includes(':') ? new IPv6(text) : new IPv4(text)).toString()),
    );
  });

  it('ipaddr.js', () => {
    compare('ipaddr.js', (text) => orUndefined(() => ipaddrJs.parse(text).toString()));
  });

  it("Python's ipaddress", () => {
    const readings = readByPython();
    compare('python', (_, index) => readings[index]);
  });

  afterAll(() => {
    const idle = KNOWN_DIFFERENCES.filter((each) => !used.has(each)).map(
      ({ peer, why }) => `${peer}: ${why}`,
    );
    expect(idle, 'known differences that no text shows').toEqual([]);
  });
});

describe('values, beside ip-num', () => {
  it('has the same number for every address', () => {
    for (const addr of randomAddrs()) {
      const theirs = addr.family === 4 ? new IPv4(`${addr}`).value : new IPv6(full(addr)).value;
      expect(theirs).toBe(addr.toBigInt());
    }
  });
});

/** All eight groups, the one form of ip-num. */
function full(addr: Addr): string {
  return addr.toBytes().toHex().match(/.{4}/g)?.join(':') ?? '';
}
