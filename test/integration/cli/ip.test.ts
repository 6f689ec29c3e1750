import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const PODWIRE = join(import.meta.dirname, '../../../dist/podwire');

function ip(
  args: readonly string[],
  input = '',
): { status: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(PODWIRE, ['ip', ...args], {
    encoding: 'utf8',
    input,
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
      ['split', '10.0.0.0/23', '24'],
      ['10.0.0.0/24', '10.0.1.0/24'],
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
    expect(JSON.parse(ip(['split', 'fd00::/62', '64', '-o', 'json']).out)).toEqual([
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
    expect({ status, out }).toEqual({ status: 1, out: '' });
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

  it.each([
    [['subnet', '10.0.0.0'], 1, 'expected "/" and a prefix length, got the end'],
    [['split', '10.0.0.0/8', '7'], 2, 'bits: expected a length from 8 to 32, got 7'],
    [['split', '::/0', '64'], 1, 'more than 65536 prefixes; --max allows more'],
    [['split', '10.0.0.0/8'], 2, 'Not enough non-option arguments'],
    [['reverse', '10.in-addr.arpa'], 1, 'expected the full reverse name of an address'],
    [['summarize'], 2, 'expected addresses, prefixes or ranges, as arguments or on stdin'],
  ])('refuses %j with status %i', (args, status, message) => {
    const answer = ip(args);
    expect({ status: answer.status, out: answer.out }).toEqual({ status, out: '' });
    expect(answer.err).toContain(message);
  });
});
