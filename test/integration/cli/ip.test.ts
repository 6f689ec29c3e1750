import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

/** A long answer is a few megabytes. */
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;
const PODWIRE = join(import.meta.dirname, '../../../dist/podwire');

function ip(
  args: readonly string[],
  input = '',
): { status: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(PODWIRE, ['ip', ...args], {
    encoding: 'utf8',
    input,
    maxBuffer: OUTPUT_BYTES_MAX,
  });
  return { status, out: stdout, err: stderr };
}

describe('podwire ip', () => {
  it.each([
    [
      ['subnet', '10.1.2.3/24', '192.0.2.0/31'],
      [
        'PREFIX        NETWORK       BROADCAST   FIRST      LAST        USABLE  MASK             WILDCARD',
        '10.1.2.3/24   10.1.2.0/24   10.1.2.255  10.1.2.1   10.1.2.254  254     255.255.255.0    0.0.0.255',
        '192.0.2.0/31  192.0.2.0/31  -           192.0.2.0  192.0.2.1   2       255.255.255.254  0.0.0.1',
      ],
    ],
    [
      ['split', '24', '10.0.0.0/23', '10.2.0.0/24'],
      ['10.0.0.0/24', '10.0.1.0/24', '10.2.0.0/24'],
    ],
    [
      ['classify', '--in', '10.1.2.0/24', '10.1.2.255', '10.1.2.7', '8.8.8.8'],
      [
        'ADDRESS     FAMILY  CLASS  GLOBAL  IN 10.1.2.0/24  WHAT IT IS',
        '10.1.2.255  IPv4    A /8   no      broadcast       Private-Use (RFC 1918)',
        '10.1.2.7    IPv4    A /8   no      host            Private-Use (RFC 1918)',
        '8.8.8.8     IPv4    A /8   yes     -               ordinary',
      ],
    ],
    [['summarize', '10.0.0.0/24', '10.0.1.0-10.0.1.254', '10.0.1.255'], ['10.0.0.0/23']],
    [
      ['diff', '10.0.0.0/30', '10.0.0.1'],
      ['10.0.0.0/32', '10.0.0.2/31'],
    ],
    [
      ['reverse', '10.1.2.3', '1.0.0.10.in-addr.arpa'],
      [
        'INPUT                  REVERSE',
        '10.1.2.3               3.2.1.10.in-addr.arpa.',
        '1.0.0.10.in-addr.arpa  10.0.0.1',
      ],
    ],
    [
      ['contains', '10.0.0.0/8', '10.1.2.3'],
      ['ITEM      IN 10.0.0.0/8', '10.1.2.3  yes'],
    ],
  ])('%j', (args, lines) => {
    expect(ip(args)).toEqual({ status: 0, out: `${lines.join('\n')}\n`, err: '' });
  });

  it('takes many inputs from stdin, and prints JSON', () => {
    const { out, status } = ip(['classify', '-o', 'json'], '127.0.0.1\n224.0.0.1 fd00::1\n');
    expect(status).toBe(0);
    expect(JSON.parse(out)).toMatchObject([
      { address: '127.0.0.1', family: 4, kind: 'loopback', isGlobal: false },
      { address: '224.0.0.1', addressClass: 'D', kind: 'multicast' },
      { address: 'fd00::1', family: 6, blocks: [{ prefix: 'fc00::/7' }] },
    ]);
    expect(JSON.parse(ip(['split', '64', '-o', 'json'], 'fd00::/62').out)).toEqual([
      'fd00::/64',
      'fd00:0:0:1::/64',
      'fd00:0:0:2::/64',
      'fd00:0:0:3::/64',
    ]);
  });

  it('says no by its status', () => {
    const { status, out } = ip(['contains', '10.0.0.0/8', '10.0.0.0/7', 'fd00::1', '10.2.0.0/16']);
    expect(status).toBe(1);
    expect(out.match(/ (yes|no)$/gm)).toEqual([' no', ' no', ' yes']);
  });

  it('marks the character that is wrong, of every input that is, and answers none', () => {
    const { status, out, err } = ip(['classify', '10.0.0.256', '10.0.0.1', 'fe80:::1']);
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(err).toBe(
      [
        'podwire: invalid IP address "10.0.0.256": at 7: expected a number from 0 to 255, got "256"',
        '  10.0.0.256',
        '         ^',
        'invalid IP address "fe80:::1": at 6: expected a group of hexadecimal digits, got ":1"',
        '  fe80:::1',
        '        ^',
        '',
      ].join('\n'),
    );
  });

  it('says of JSON attributes what the registry does, N/A included', () => {
    const [teredo] = JSON.parse(
      ip(['classify', '-o', 'json', '2001:0:4136:e378:8000:63bf:3fff:fdd2']).out,
    ) as object[];
    expect(teredo).toMatchObject({
      special: { allocated: '2006-01', terminated: null, source: true, globallyReachable: null },
      embedded: { addr: '192.0.2.45', teredo: { server: '65.54.227.120', port: 40_000 } },
    });
  });

  it('takes more inputs than a call has room for arguments', () => {
    const input = Array.from(
      { length: 200_000 },
      (_, at) => `10.${at >> 16}.${(at >> 8) & 255}.${at & 255}\n`,
    );
    const { out, status } = ip(['contains', '10.0.0.0/8'], input.join(''));
    expect(status).toBe(0);
    expect(out.split('\n').filter((line) => line.endsWith(' yes'))).toHaveLength(input.length);
    expect(ip(['summarize'], input.join('')).out.split('\n')[0]).toBe('10.0.0.0/15');
  });

  it('shows a bad input cut short, without what would move the mark or the cursor', () => {
    const long = `${'1'.repeat(500)}\u001b[31m.2.3.4`;
    const { err } = ip(['classify', '10.0.0.\u001b[31m1', 'a\nb\u009b', long]);
    expect(err.split('\n').slice(0, 6)).toEqual([
      'podwire: invalid IP address "10.0.0.\\u001b[31m1": at 7: expected a decimal digit or ".", got "\\u001b[31m1"',
      '  10.0.0.?[31m1',
      '         ^',
      'invalid IP address "a\\nb\\u009b": at 4: expected an IPv4 or IPv6 address, got the end',
      '  a?b?',
      '      ^',
    ]);
    expect(Math.max(...err.split('\n').map((line) => line.length))).toBeLessThan(300);
  });

  it('ends without a word when nobody reads on', () => {
    const cut = spawnSync(
      'sh',
      ['-c', `{ "$0" ip split 32 10.0.0.0/16; echo "status $?" >&2; } | head -1`, PODWIRE],
      {
        encoding: 'utf8',
      },
    );
    expect({ stdout: cut.stdout, stderr: cut.stderr }).toEqual({
      stdout: '10.0.0.0/32\n',
      stderr: 'status 1\n',
    });
  });

  it.each([
    [['subnet', '10.0.0.0'], 2, 'expected "/" and a prefix length, got the end'],
    [['split', '7', '10.0.0.0/8'], 2, 'bits: expected a length from 8 to 32 for 10.0.0.0/8, got 7'],
    [
      ['split', 'x', '10.0.0.0/8'],
      2,
      'bits: expected a length from 8 to 32 for 10.0.0.0/8, got NaN',
    ],
    [['split', '64', '::/0'], 2, 'more than 65536 prefixes; --max allows more'],
    [
      ['split', '64', '::/0', '--max', '1e9'],
      2,
      '--max: expected a whole number from 1 to 1000000',
    ],
    [['split'], 2, 'Not enough non-option arguments'],
    [['classify', '10.0.0.1', '--in', '10.0.0.0'], 2, 'expected "/" and a prefix length'],
    [['reverse', '10.in-addr.arpa'], 2, 'expected the full reverse name of an address'],
    [['summarize'], 2, 'expected addresses, prefixes or ranges, as arguments or on stdin'],
  ])('refuses %j with status %i', (args, status, message) => {
    const answer = ip(args);
    expect({ status: answer.status, out: answer.out }).toEqual({ status, out: '' });
    expect(answer.err).toContain(message);
  });
});
