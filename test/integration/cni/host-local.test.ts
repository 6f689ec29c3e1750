import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { callPlugin, type PluginAnswer, startPlugin } from './plugin-fixture.ts';

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'podwire-ipam-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const directory = (): string => join(dataDir, 'net');
const files = (): string[] => readdirSync(directory()).sort();

const config = (ipam: object, more: object = {}): object => ({
  cniVersion: '1.0.0',
  name: 'net',
  type: 'bridge',
  ipam: { type: 'host-local', dataDir, ...ipam },
  ...more,
});

const environment = (id: string): Record<string, string> => ({
  CNI_CONTAINERID: id,
  CNI_NETNS: '/run/netns/none',
});

function call(
  verb: string,
  id: string,
  conf: object,
  env: Record<string, string> = {},
): PluginAnswer {
  return callPlugin({
    type: 'host-local',
    verb,
    config: conf,
    env: { ...environment(id), ...env },
  });
}

const addresses = (answer: PluginAnswer): unknown =>
  (answer.json.ips as { address: string }[] | undefined)?.map((ip) => ip.address) ??
  answer.json.msg;

const small = { subnet: '10.1.2.0/29' };

describe('host-local', () => {
  it('gives one address of each set and keeps them in the reference format', () => {
    const resolvConf = join(dataDir, 'resolv.conf');
    writeFileSync(
      resolvConf,
      'domain example\n# c\nnameserver 192.0.2.3\nsearch a b\noptions ndots:5\n',
    );
    const conf = config({
      ranges: [
        [{ subnet: '10.1.2.0/24' }, { subnet: '10.2.2.0/24' }],
        [{ subnet: '2001:db8:1::/64' }],
      ],
      routes: [{ dst: '0.0.0.0/0' }, { dst: '192.168.0.0/16', gw: '1.1.1.1' }],
      resolvConf,
    });
    const answer = call('ADD', 'dummy', conf);
    expect(answer.stderr).toBe('');
    expect(answer.json).toEqual({
      cniVersion: '1.0.0',
      ips: [
        { address: '10.1.2.2/24', gateway: '10.1.2.1' },
        { address: '2001:db8:1::2/64', gateway: '2001:db8:1::1' },
      ],
      routes: [{ dst: '0.0.0.0/0' }, { dst: '192.168.0.0/16', gw: '1.1.1.1' }],
      dns: {
        domain: 'example',
        nameservers: ['192.0.2.3'],
        search: ['a', 'b'],
        options: ['ndots:5'],
      },
    });
    expect(files()).toEqual([
      '10.1.2.2',
      '2001:db8:1::2',
      'last_reserved_ip.0',
      'last_reserved_ip.1',
      'lock',
    ]);
    expect(readFileSync(join(directory(), '10.1.2.2'), 'utf8')).toBe('dummy\r\neth0');
    expect(readFileSync(join(directory(), 'last_reserved_ip.0'), 'utf8')).toBe('10.1.2.2');
    expect(call('CHECK', 'dummy', conf).status).toBe(0);
    expect(call('CHECK', 'other', conf).json.msg).toContain(
      'Failed to find address added by container other',
    );
    expect(call('DEL', 'dummy', conf)).toMatchObject({ status: 0, stdout: '' });
    expect(files()).toEqual(['last_reserved_ip.0', 'last_reserved_ip.1', 'lock']);
    expect(call('DEL', 'dummy', conf).status).toBe(0);
  });

  it('is success to DEL from a network that never was', () => {
    expect(call('DEL', 'dummy', config(small)).status).toBe(0);
    expect(existsSync(directory())).toBe(false);
  });

  it('keeps the interfaces of one container apart', () => {
    const conf = config(small);
    const eth1 = { CNI_IFNAME: 'eth1' };
    expect(addresses(call('ADD', 'a', conf))).toEqual(['10.1.2.2/29']);
    expect(addresses(call('ADD', 'a', conf, eth1))).toEqual(['10.1.2.3/29']);
    call('DEL', 'a', conf, eth1);
    expect(files()).toContain('10.1.2.2');
    expect(files()).not.toContain('10.1.2.3');
  });

  it('refuses a second ADD, and frees what an old version wrote with the id alone', () => {
    const conf = config(small);
    call('ADD', 'a', conf);
    expect(call('ADD', 'a', conf).json).toMatchObject({
      code: 999,
      msg: 'failed to allocate for range 0: 10.1.2.2 has been allocated to a, duplicate allocation is not allowed',
    });
    writeFileSync(join(directory(), '10.1.2.2'), 'a');
    call('DEL', 'a', conf);
    expect(files()).not.toContain('10.1.2.2');
  });

  it.each([
    ['fresh', [], '', '10.1.2.2/29'],
    ['.2 taken', ['10.1.2.2'], '', '10.1.2.3/29'],
    ['last .5', [], '10.1.2.5', '10.1.2.6/29'],
    ['last .3 with .4 and .5 taken', ['10.1.2.4', '10.1.2.5'], '10.1.2.3', '10.1.2.6/29'],
    ['last .5 with .6 taken wraps', ['10.1.2.6'], '10.1.2.5', '10.1.2.2/29'],
    ['last outside', [], '10.9.9.9', '10.1.2.2/29'],
    [
      'only the last is free',
      ['10.1.2.2', '10.1.2.3', '10.1.2.4', '10.1.2.6'],
      '10.1.2.5',
      '10.1.2.5/29',
    ],
    [
      'none is free',
      ['10.1.2.2', '10.1.2.3', '10.1.2.4', '10.1.2.5', '10.1.2.6'],
      '10.1.2.5',
      'failed to allocate for range 0: no IP addresses available in range set: 10.1.2.1-10.1.2.6',
    ],
  ])('chooses as the reference does: %s', (_, taken, last, expected) => {
    mkdirSync(directory());
    for (const ip of taken) writeFileSync(join(directory(), ip), 'someone\r\neth0');
    if (last !== '') writeFileSync(join(directory(), 'last_reserved_ip.0'), last);
    const given = addresses(call('ADD', 'a', config(small)));
    expect(given).toEqual(expected.includes('/29') ? [expected] : expected);
  });

  it('goes through the ranges of a set in turn', () => {
    const ranges = [['10.0.0.0/30', '10.0.1.0/30', '10.0.2.0/30'].map((subnet) => ({ subnet }))];
    const given = ['a', 'b', 'c', 'd'].map((id) => addresses(call('ADD', id, config({ ranges }))));
    expect(given.slice(0, 3)).toEqual([['10.0.0.2/30'], ['10.0.1.2/30'], ['10.0.2.2/30']]);
    expect(given[3]).toContain('no IP addresses available');
  });

  it('takes back a file that a crash left empty', () => {
    mkdirSync(directory());
    writeFileSync(join(directory(), '10.1.2.2'), '');
    expect(addresses(call('ADD', 'a', config(small)))).toEqual(['10.1.2.2/29']);
  });

  it('gives the addresses asked for, or none', () => {
    const ranges = [[{ subnet: '10.1.2.0/24' }], [{ subnet: '10.1.3.0/24' }]];
    const ask = (ips: string[]): object => config({ ranges }, { args: { cni: { ips } } });
    expect(addresses(call('ADD', 'a', ask(['10.1.2.88', '10.1.3.77'])))).toEqual([
      '10.1.2.88/24',
      '10.1.3.77/24',
    ]);
    expect(addresses(call('ADD', 'b', ask(['10.1.2.88'])))).toContain(
      'requested IP address 10.1.2.88 is not available in range set 10.1.2.1-10.1.2.254',
    );
    expect(addresses(call('ADD', 'b', ask(['10.1.2.1'])))).toContain(
      "requested ip 10.1.2.1 is subnet's gateway",
    );
    expect(addresses(call('ADD', 'b', ask(['10.1.2.90', '10.1.2.91'])))).toBe(
      'failed to allocate all requested IPs: 10.1.2.91',
    );
    expect(files().filter((file) => file.startsWith('10.'))).toEqual(['10.1.2.88', '10.1.3.77']);
    const env = { CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAME=x;IP=10.1.2.99' };
    expect(addresses(call('ADD', 'c', config({ ranges }), env))).toEqual([
      '10.1.2.99/24',
      '10.1.3.79/24',
    ]);
  });

  it.each([
    [
      { subnet: '10.1.2.3/24' },
      'invalid range set 0: Network has host bits set. For a subnet mask of length 24 the network address is 10.1.2.0',
    ],
    [
      { subnet: '10.1.2.0/31' },
      'invalid range set 0: Network 10.1.2.0/31 too small to allocate from',
    ],
    [
      { subnet: '10.1.2.0/24', rangeStart: '10.1.3.1' },
      'invalid range set 0: RangeStart 10.1.3.1 not in network 10.1.2.0/24',
    ],
    [
      { subnet: '10.1.2.0/24', rangeEnd: '10.1.3.1' },
      'invalid range set 0: RangeEnd 10.1.3.1 not in network 10.1.2.0/24',
    ],
    [
      { ranges: [[{ subnet: '10.0.0.0/24' }, { subnet: 'fd00::/64' }]] },
      'invalid range set 0: mixed address families',
    ],
    [
      { ranges: [[{ subnet: '10.0.0.0/24' }], [{ subnet: '10.0.0.0/16' }]] },
      'range set 0 overlaps with 1',
    ],
    [{}, 'no IP ranges specified'],
    [
      { ranges: [[{ subnet: 7 }]] },
      'invalid range set 0: ipam.ranges[0][0].subnet: expected a string, got 7',
    ],
  ])('refuses a bad range: %j', (ipam, message) => {
    expect(call('ADD', 'a', config(ipam)).json).toMatchObject({ code: 7, msg: message });
  });

  it('frees what GC is not told of', () => {
    const conf = config(small, { cniVersion: '1.1.0' });
    for (const id of ['a', 'b', 'c']) call('ADD', id, conf);
    const valid = [{ containerID: 'b', ifname: 'eth0' }];
    const answer = call('GC', '', { ...conf, 'cni.dev/valid-attachments': valid });
    expect(answer).toMatchObject({ status: 0, stdout: '' });
    expect(files().filter((file) => file.startsWith('10.'))).toEqual(['10.1.2.3']);
  });

  it('keeps two hundred parallel ADDs apart, and leaves nothing after as many DELs', async () => {
    const conf = config({ subnet: '10.1.0.0/16' });
    const all = (verb: string): Promise<PluginAnswer[]> =>
      Promise.all(
        Array.from({ length: 200 }, (_, index) =>
          startPlugin({ type: 'host-local', verb, config: conf, env: environment(`pod-${index}`) }),
        ),
      );
    const added = await all('ADD');
    const given = added.map((answer) => String(addresses(answer)));
    expect(new Set(given).size).toBe(200);
    expect(given.every((address) => address.startsWith('10.1.0.'))).toBe(true);
    expect((await all('DEL')).every(({ status }) => status === 0)).toBe(true);
    expect(files()).toEqual(['last_reserved_ip.0', 'lock']);
  });
});
