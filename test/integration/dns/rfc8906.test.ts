import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { objectsOf, type RunningDns, startDns } from './cluster-fixture.ts';

/*
 * The checks of RFC 8906 section 8, each by the dig command that stands there, against the zone's SOA:
 * what a server has to do with what it does not know.
 */

const ZONE = 'cluster.local';
const SOA = /^cluster\.local\.\s+5\s+IN\s+SOA\s/m;

let server: RunningDns;
beforeAll(async () => {
  server = await startDns(
    objectsOf('names'),
    {},
    { answerer: { cookieSecret: new Uint8Array(16), nsid: 'here' } },
  );
});
afterAll(() => server.dns.stop());

async function dig(args: string): Promise<string> {
  const all = [
    '-p',
    `${server.port}`,
    '@127.0.0.1',
    '+tries=1',
    '+time=3',
    '+norec',
    ...args.split(' '),
  ];
  const { stdout } = await promisify(execFile)('dig', all);
  return stdout;
}

interface Check {
  readonly title: string;
  readonly args: string;
  readonly has: readonly (string | RegExp)[];
  readonly lacks?: readonly (string | RegExp)[];
}

const NOERROR = 'status: NOERROR';
const AA = /flags: qr aa[ ;]/;
const OPT = 'EDNS: version: 0';
const FLAGS_CLEAR = [/flags:[^;]* (ad|ra|rd)[ ;]/, 'MBZ'];

const checks: readonly Check[] = [
  // 8.1: without EDNS.
  {
    title: '8.1.1 name server configured for the zone',
    args: `+noedns +noad SOA ${ZONE}`,
    has: [NOERROR, AA, SOA],
    lacks: ['EDNS', ...FLAGS_CLEAR],
  },
  {
    title: '8.1.2 unknown type',
    args: `+noedns +noad TYPE1000 ${ZONE}`,
    has: [NOERROR, AA, 'ANSWER: 0'],
    lacks: ['EDNS'],
  },
  {
    title: '8.1.3.1 CD is repeated or cleared',
    args: `+noedns +noad +cd SOA ${ZONE}`,
    has: [NOERROR, SOA],
    lacks: ['EDNS', / ad[ ;]/],
  },
  {
    title: '8.1.3.2 AD',
    args: `+noedns +ad SOA ${ZONE}`,
    has: [NOERROR, AA, SOA],
    lacks: ['EDNS', / ad[ ;]/],
  },
  {
    title: '8.1.3.3 the reserved bit',
    args: `+noedns +noad +zflag SOA ${ZONE}`,
    has: [NOERROR, AA, SOA],
    lacks: ['EDNS', 'MBZ'],
  },
  {
    title: '8.1.3.4 RD',
    args: `+noedns +noad +rec SOA ${ZONE}`,
    has: [NOERROR, 'flags: qr aa rd;', SOA],
    lacks: ['EDNS'],
  },
  {
    title: '8.1.4 unknown opcode, header only',
    args: `+noedns +noad +opcode=15 +header-only`,
    has: ['status: NOTIMP', 'opcode: RESERVED15'],
    lacks: ['EDNS', / aa[ ;]/, 'SOA'],
  },
  {
    title: '8.1.4 unknown opcode',
    args: `+noedns +noad +opcode=15 SOA ${ZONE}`,
    has: ['status: NOTIMP', 'opcode: RESERVED15'],
    lacks: ['EDNS', / aa[ ;]/, SOA],
  },
  {
    title: '8.1.5 over TCP',
    args: `+noedns +noad +tcp SOA ${ZONE}`,
    has: [NOERROR, AA, SOA],
    lacks: ['EDNS'],
  },
  // 8.2: with EDNS.
  {
    title: '8.2.1 EDNS',
    args: `+edns=0 +nocookie +noad SOA ${ZONE}`,
    has: [NOERROR, AA, SOA, OPT],
  },
  {
    title: '8.2.2 EDNS version 1',
    args: `+edns=1 +noednsneg +nocookie +noad SOA ${ZONE}`,
    has: ['status: BADVERS', OPT],
    lacks: [SOA, / aa[ ;]/],
  },
  {
    title: '8.2.3 unknown option',
    args: `+ednsopt=100 +nocookie +noad SOA ${ZONE}`,
    has: [NOERROR, AA, SOA, OPT],
    lacks: ['OPT=100'],
  },
  {
    title: '8.2.4 unknown flags',
    args: `+ednsflags=0x40 +nocookie +noad SOA ${ZONE}`,
    has: [NOERROR, AA, SOA, OPT],
    lacks: ['MBZ'],
  },
  {
    title: '8.2.5 version 1 with unknown flags',
    args: `+edns=1 +noednsneg +ednsflags=0x40 +nocookie +noad SOA ${ZONE}`,
    has: ['status: BADVERS', OPT],
    lacks: [SOA, 'MBZ'],
  },
  {
    title: '8.2.6 version 1 with unknown option',
    args: `+edns=1 +noednsneg +ednsopt=100 +nocookie +noad SOA ${ZONE}`,
    has: ['status: BADVERS', OPT],
    lacks: [SOA, 'OPT=100'],
  },
  {
    title: '8.2.7 truncation',
    args: `+dnssec +bufsize=512 +ignore +nocookie +noad SOA ${ZONE}`,
    has: [NOERROR, OPT, 'flags: do'],
  },
  {
    title: '8.2.8 DO',
    args: `+dnssec +nocookie +noad SOA ${ZONE}`,
    has: [NOERROR, AA, SOA, OPT, 'flags: do'],
  },
  {
    title: '8.2.9 version 1 with DO',
    args: `+edns=1 +noednsneg +dnssec +nocookie +noad SOA ${ZONE}`,
    has: ['status: BADVERS', OPT],
    lacks: [SOA],
  },
  {
    title: '8.2.10 several options',
    args: `+cookie=0102030405060708 +nsid +expire +subnet=192.0.2.0/24 +noad SOA ${ZONE}`,
    has: [NOERROR, AA, SOA, OPT, /COOKIE: 0102030405060708[0-9a-f]{32} \(good\)/, '"here"'],
    lacks: ['CLIENT-SUBNET', 'EXPIRE', 'echoed'],
  },
];

describe('RFC 8906', () => {
  it.each(checks)('$title', async ({ args, has, lacks = [] }) => {
    const output = await dig(args);
    for (const text of has) expect(output).toMatch(text);
    for (const text of lacks) expect(output).not.toMatch(text);
    expect(output).not.toContain('warning');
    expect(output).not.toContain('malformed');
  });
});
