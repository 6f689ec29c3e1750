import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Acl } from '../../../src/dns/server/acl.ts';
import { reverseZonesOf } from '../../../src/dns/zone/reverse-zones.ts';
import { parsePrefix } from '../../../src/ipaddr/prefix.ts';
import { type Answer, ask } from './ask.ts';
import { objectsOf, type RunningDns, startDns } from './cluster-fixture.ts';

/*
 * Knot DNS takes our zones by transfer and is then asked the same as we are: every name, every name
 * between two others, and names that are not there, with every type. It has no idea of Kubernetes, so
 * what it says is what the RFCs say of these records.
 */

const ZONES = [
  'cluster.local',
  ...['10.0.0.0/8', '172.0.0.0/8', '1234:abcd::/32', '5678:abcd::/32', '10::/16'].flatMap((text) =>
    reverseZonesOf(parsePrefix(text)),
  ),
];
const TYPES = [
  'A',
  'AAAA',
  'SRV',
  'TXT',
  'CNAME',
  'PTR',
  'NS',
  'SOA',
  'MX',
  'HTTPS',
  'ANY',
  'TYPE65280',
];
const TRANSFER_TIMEOUT_MS = 20_000;

/**
 * Where we part from Knot on purpose. `ANY`: we give one rrset (RFC 8482), Knot all over UDP.
 */
const REASONS: readonly { readonly reason: string; readonly applies: (type: string) => boolean }[] =
  [{ reason: 'ANY gives one rrset, RFC 8482', applies: (type) => type === 'ANY' }];

let server: RunningDns;
let knotPort = 0;
const directory = mkdtempSync(join(tmpdir(), 'podwire-knot-'));
const stopKnot: (() => Promise<void>)[] = [];

beforeAll(async () => {
  server = await startDns(
    [...objectsOf('names')],
    { zones: ZONES, pods: 'verified' },
    { workers: 1, transfer: Acl.of([parsePrefix('127.0.0.0/8')]) },
  );
  knotPort = server.port === 65_535 ? server.port - 1 : server.port + 1;
  const zones = ZONES.map((domain) => `  - domain: ${domain}\n    master: podwire\n    acl: all\n`);
  writeFileSync(
    join(directory, 'knot.conf'),
    [
      'server:',
      `  rundir: ${directory}`,
      `  listen: 127.0.0.1@${knotPort}`,
      '  udp-workers: 1',
      '  tcp-workers: 1',
      '  background-workers: 1',
      'database:',
      `  storage: ${directory}/db`,
      'remote:',
      '  - id: podwire',
      `    address: 127.0.0.1@${server.port}`,
      'acl:',
      '  - id: all',
      '    address: 127.0.0.0/8',
      '    action: transfer',
      'template:',
      '  - id: default',
      `    storage: ${directory}`,
      '    zonefile-sync: -1',
      'zone:',
      ...zones,
    ].join('\n'),
  );
  const knotd = spawn('knotd', ['-c', join(directory, 'knot.conf')], { stdio: 'ignore' });
  stopKnot.push(async () => {
    knotd.kill();
    if (knotd.exitCode === null) await once(knotd, 'exit');
  });
  const deadline = Date.now() + TRANSFER_TIMEOUT_MS;
  for (const name of ZONES) {
    for (;;) {
      const answer = await ask(knotPort, 'udp', { name, type: 'SOA' }).catch(() => undefined);
      if (answer?.rcode === 'NOERROR' && answer.answers.length === 1) break;
      if (Date.now() > deadline) throw new Error(`Knot did not get ${name}: ${answer?.rcode}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
});
afterAll(async () => {
  for (const stop of stopKnot) await stop();
  await server?.dns.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** The names in a zone, by dig's own reading of a transfer. */
async function transferred(zone: string): Promise<string[]> {
  // Not synchronously: the transfer is this process's to answer.
  const { stdout } = await promisify(execFile)('dig', [
    '-p',
    `${server.port}`,
    '@127.0.0.1',
    '+noall',
    '+answer',
    '+onesoa',
    zone,
    'AXFR',
  ]);
  return stdout.split('\n').filter((line) => line !== '' && !line.startsWith(';'));
}

/** The name itself, all above it down to its zone, and one below each that is not there. */
function around(name: string, zone: string): string[] {
  const names: string[] = [];
  for (let at = name; ; at = at.slice(at.indexOf('.') + 1)) {
    names.push(at, `nobody.${at}`);
    if (at === zone) return names;
  }
}

const comparable = ({ rcode, aa, tc, answers, authority }: Answer) => ({
  rcode,
  aa,
  tc,
  answers: [...answers].map((each) => each.toLowerCase()).sort(),
  authority: [...authority].map((each) => each.toLowerCase()).sort(),
});

describe('Knot DNS, with our zones', () => {
  it.each(ZONES)('%s: says the same of every name and type', async (zone) => {
    const records = await transferred(zone);
    expect(records.length).toBeGreaterThan(1);
    const owners = records.map((line) => (line.split(/\s/)[0] ?? '').replace(/\.$/, ''));
    const names = new Set(owners.flatMap((owner) => around(owner, zone)));
    const differences: string[] = [];
    let compared = 0;
    for (const name of names) {
      for (const type of TYPES) {
        const query = { name, type, edns: { sizeBytes: 1232 } };
        const [ours, theirs] = await Promise.all(
          [server.port, knotPort].map((port) => ask(port, 'udp', query)),
        );
        compared += 1;
        if (ours === undefined || theirs === undefined) throw new Error('no answer');
        const one = JSON.stringify(comparable(ours));
        const other = JSON.stringify(comparable(theirs));
        const isExpected =
          REASONS.some(({ applies }) => applies(type)) && ours.rcode === theirs.rcode;
        if (one !== other && !isExpected) differences.push(`${name} ${type}\n  ${one}\n  ${other}`);
      }
    }
    expect(differences).toEqual([]);
    expect(compared).toBe(names.size * TYPES.length);
  });
});
