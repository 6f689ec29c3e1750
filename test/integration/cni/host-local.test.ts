import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SPEC_VERSIONS } from '../../../src/cni/protocol/version.ts';
import { addressesOf, environmentOf, useHostLocal } from './host-local-fixture.ts';
import { type PluginAnswer, startPlugin } from './plugin-fixture.ts';

/* host-local by its executable: what it gives, keeps and refuses. */

const fixture = useHostLocal('ipam');
const { config, call, files, reserved, seed } = fixture;

const success = { status: 0, stdout: '', stderr: '' };
const small = { subnet: '10.1.2.0/29' };
const twoSets = { ranges: [[{ subnet: '10.1.2.0/24' }], [{ subnet: '10.1.3.0/24' }]] };
const dual = { ranges: [[{ subnet: '10.1.2.0/24' }], [{ subnet: '2001:db8:1::/64' }]] };
const someone = (...names: string[]): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name, 'someone\r\neth0']));

describe.each(SPEC_VERSIONS)('host-local, version %s', (cniVersion) => {
  const isOld = cniVersion === '0.1.0' || cniVersion === '0.2.0';
  const manyText = `CNI version ${cniVersion} does not support more than 1 address per family`;
  const given = (answer: PluginAnswer): unknown =>
    answer.status === 0 && isOld
      ? ['ip4', 'ip6'].flatMap((key) => (answer.json[key] as { ip: string } | undefined)?.ip ?? [])
      : addressesOf(answer);

  it('gives one address of each set and keeps them in the reference format', () => {
    const resolvConf = join(fixture.dataDir, 'resolv.conf');
    writeFileSync(
      resolvConf,
      'domain example\n# c\nnameserver 192.0.2.3\nsearch a b\noptions ndots:5\n',
    );
    const routes = [
      { dst: '0.0.0.0/0' },
      { dst: '192.168.0.0/16', gw: '1.1.1.1' },
      { dst: '2001:db8:2::/64' },
      { dst: '::/0', gw: '2001:db8:3::1' },
    ];
    const ranges = [
      [{ subnet: '10.1.2.0/24' }, { subnet: '10.2.2.0/24' }],
      [{ subnet: '2001:db8:1::/64' }],
    ];
    const conf = config({ ranges, routes, resolvConf }, { cniVersion });
    const answer = call('ADD', 'dummy', conf);
    expect(answer).toMatchObject({ status: 0, stderr: '' });
    const dns = {
      domain: 'example',
      nameservers: ['192.0.2.3'],
      search: ['a', 'b'],
      options: ['ndots:5'],
    };
    if (isOld) {
      const ofFamily = (ip: string, gateway: string, at: number): object => ({
        ip,
        gateway,
        routes: routes.slice(at, at + 2),
      });
      expect(answer.json).toEqual({
        cniVersion,
        ip4: ofFamily('10.1.2.2/24', '10.1.2.1', 0),
        ip6: ofFamily('2001:db8:1::2/64', '2001:db8:1::1', 2),
        dns,
      });
    } else {
      const hasVersion = cniVersion.startsWith('0.');
      expect(answer.json).toEqual({
        cniVersion,
        ips: [
          {
            ...(hasVersion ? { version: '4' } : {}),
            address: '10.1.2.2/24',
            gateway: '10.1.2.1',
          },
          {
            ...(hasVersion ? { version: '6' } : {}),
            address: '2001:db8:1::2/64',
            gateway: '2001:db8:1::1',
          },
        ],
        routes,
        dns,
      });
    }
    expect(files()).toEqual([
      '10.1.2.2',
      '2001:db8:1::2',
      'last_reserved_ip.0',
      'last_reserved_ip.1',
      'lock',
    ]);
    const contentOf = (name: string): string => readFileSync(join(fixture.directory, name), 'utf8');
    const modeOf = (name: string): number => statSync(join(fixture.directory, name)).mode & 0o777;
    for (const name of ['10.1.2.2', '2001:db8:1::2']) {
      expect([contentOf(name), modeOf(name)]).toEqual(['dummy\r\neth0', 0o600]);
    }
    expect(contentOf('last_reserved_ip.0')).toBe('10.1.2.2');
    expect(contentOf('last_reserved_ip.1')).toBe('2001:db8:1::2');
    expect(call('DEL', 'dummy', conf)).toMatchObject(success);
    expect(files()).toEqual(['last_reserved_ip.0', 'last_reserved_ip.1', 'lock']);
    expect(call('DEL', 'dummy', conf)).toMatchObject(success);
  });

  it('gives addresses asked for, one of each set', () => {
    const ask = (ipam: object, ips: string[]): PluginAnswer =>
      call('ADD', 'a', config(ipam, { cniVersion, args: { cni: { ips } } }));
    expect(given(ask(dual, ['2001:db8:1::99', '10.1.2.88']))).toEqual([
      '10.1.2.88/24',
      '2001:db8:1::99/64',
    ]);
    call('DEL', 'a', config(dual, { cniVersion }));
    const both = ask(twoSets, ['10.1.2.88', '10.1.3.77']);
    if (isOld) expect(both.json).toEqual({ code: 7, msg: manyText });
    else expect(given(both)).toEqual(['10.1.2.88/24', '10.1.3.77/24']);
  });

  it('frees what is there, and refuses in DEL no more than ADD has no room for', () => {
    seed({ '10.1.2.2': 'a\r\neth0' });
    const answer = call('DEL', 'a', config(twoSets, { cniVersion }));
    if (isOld) expect(answer.json).toEqual({ code: 7, msg: manyText });
    else expect(answer).toMatchObject(success);
    expect(reserved()).toEqual([]);
    expect(call('DEL', 'a', config(dual, { cniVersion }))).toMatchObject(success);
    // Whether ranges are right is for ADD to say.
    seed({ '10.1.2.2': 'a\r\neth0' });
    const bad = config({ subnet: '10.1.2.3/24', rangeStart: 'x' }, { cniVersion });
    expect(call('DEL', 'a', bad)).toMatchObject(success);
    expect(reserved()).toEqual([]);
  });
});

describe('host-local', () => {
  it('is success to DEL and GC from a network that never was', () => {
    for (const verb of ['DEL', 'GC']) {
      expect(call(verb, 'dummy', config(small))).toMatchObject(success);
    }
    expect(existsSync(fixture.directory)).toBe(false);
  });

  it('keeps the interfaces of one container apart', () => {
    const conf = config(small);
    const eth1 = { CNI_IFNAME: 'eth1' };
    expect(addressesOf(call('ADD', 'a', conf))).toEqual(['10.1.2.2/29']);
    expect(addressesOf(call('ADD', 'a', conf, eth1))).toEqual(['10.1.2.3/29']);
    call('DEL', 'a', conf, eth1);
    expect(reserved()).toEqual(['10.1.2.2']);
  });

  it('refuses a second ADD, however it asks, and gives nothing away', () => {
    const conf = config(small);
    const duplicate =
      'failed to allocate for range 0: 10.1.2.2 has been allocated to a, duplicate allocation is not allowed';
    const asking = (ip: string): PluginAnswer =>
      call('ADD', 'a', conf, { CNI_ARGS: `IgnoreUnknown=1;IP=${ip}` });
    call('ADD', 'a', conf);
    expect(call('ADD', 'a', conf).json).toEqual({ code: 999, msg: duplicate });
    expect(asking('10.1.2.2').json.msg).toBe(
      'failed to allocate for range 0: requested IP address 10.1.2.2 is not available in range set 10.1.2.1-10.1.2.6',
    );
    expect(asking('10.1.2.4').json.msg).toBe(duplicate);
    expect(addressesOf(call('ADD', 'b', conf))).toEqual(['10.1.2.3/29']);
    expect(call('ADD', 'a', conf).json.msg).toBe(duplicate);
    expect(reserved()).toEqual(['10.1.2.2', '10.1.2.3']);
    // What is held in another set, of a configuration that has grown, stays as well.
    const grown = config({ ranges: [[{ subnet: '10.9.0.0/24' }], [small]] });
    expect(call('ADD', 'a', grown).json.msg).toBe(duplicate.replace('range 0', 'range 1'));
    expect(reserved()).toEqual(['10.1.2.2', '10.1.2.3']);
  });

  it('knows what old versions wrote, with the id alone', () => {
    seed({ '10.1.2.2': 'a', '10.1.2.3': 'a\r\neth1' });
    expect(call('CHECK', 'a', config(small))).toMatchObject(success);
    expect(call('ADD', 'a', config(small)).json.msg).toContain('10.1.2.2 has been allocated to a');
    // That of another interface is no reason to take it for this one's.
    call('DEL', 'a', config(small), { CNI_IFNAME: 'eth1' });
    expect(reserved()).toEqual(['10.1.2.2']);
    call('DEL', 'a', config(small));
    expect(reserved()).toEqual([]);
  });

  it.each([
    ['fresh', [], '', '10.1.2.2/29'],
    ['.2 taken', ['10.1.2.2'], '', '10.1.2.3/29'],
    ['last .5', [], '10.1.2.5', '10.1.2.6/29'],
    ['last .3 with .4 and .5 taken', ['10.1.2.4', '10.1.2.5'], '10.1.2.3', '10.1.2.6/29'],
    ['last .5 with .6 taken wraps', ['10.1.2.6'], '10.1.2.5', '10.1.2.2/29'],
    ['last outside', [], '10.9.9.9', '10.1.2.2/29'],
    ['last torn', [], '10.1.', '10.1.2.2/29'],
    ['last of another family', [], '2001:db8::1', '10.1.2.2/29'],
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
    seed({ ...someone(...taken), ...(last === '' ? {} : { 'last_reserved_ip.0': last }) });
    const given = addressesOf(call('ADD', 'a', config(small)));
    expect(given).toEqual(expected.includes('/29') ? [expected] : expected);
  });

  it.each([
    [['10.0.0.0/30', '10.0.1.0/30'], '10.0.0.2', '10.0.1.2/30'],
    [['10.0.0.0/30', '10.0.1.0/30', '10.0.2.0/30'], '10.0.2.2', '10.0.0.2/30'],
    [['10.0.1.0/30', '10.0.0.0/30'], '10.0.1.2', '10.0.0.2/30'],
  ])('goes from range to range of %j after %s', (subnets, last, expected) => {
    seed({ 'last_reserved_ip.0': last });
    const ranges = [subnets.map((subnet) => ({ subnet }))];
    expect(addressesOf(call('ADD', 'a', config({ ranges })))).toEqual([expected]);
  });

  it('gives all of a range, and then none', () => {
    const given = ['a', 'b', 'c', 'd', 'e', 'f'].map((id) =>
      addressesOf(call('ADD', id, config(small))),
    );
    expect(given.slice(0, 5)).toEqual([2, 3, 4, 5, 6].map((last) => [`10.1.2.${last}/29`]));
    expect(given[5]).toBe(
      'failed to allocate for range 0: no IP addresses available in range set: 10.1.2.1-10.1.2.6',
    );
    call('DEL', 'c', config(small));
    expect(addressesOf(call('ADD', 'g', config(small)))).toEqual(['10.1.2.4/29']);
  });

  it('gives an address that was freed last of all', () => {
    call('ADD', 'a', config(small));
    call('DEL', 'a', config(small));
    expect(addressesOf(call('ADD', 'b', config(small)))).toEqual(['10.1.2.3/29']);
  });

  it('gives the addresses asked for, or none', () => {
    const ask = (ips: string[]): object => config(twoSets, { args: { cni: { ips } } });
    // Twice the same is once.
    const asked = ask(['10.1.2.88', '10.1.3.77', '10.1.2.88/24']);
    expect(addressesOf(call('ADD', 'a', asked))).toEqual(['10.1.2.88/24', '10.1.3.77/24']);
    for (const [ips, message] of [
      [
        ['10.1.2.88'],
        'failed to allocate for range 0: requested IP address 10.1.2.88 is not available in range set 10.1.2.1-10.1.2.254',
      ],
      [['10.1.2.1'], "failed to allocate for range 0: requested ip 10.1.2.1 is subnet's gateway"],
      [['10.1.2.90', '10.1.2.91'], 'failed to allocate all requested IPs: 10.1.2.91'],
      [['10.77.0.1'], 'failed to allocate all requested IPs: 10.77.0.1'],
      [['x'], 'args.cni.ips[0]: expected an IP address, got "x"'],
    ] as const) {
      expect(addressesOf(call('ADD', 'b', ask([...ips])))).toBe(message);
    }
    expect(reserved()).toEqual(['10.1.2.88', '10.1.3.77']);
    for (const [id, IP, expected] of [
      ['c', '10.1.2.99', '10.1.2.99/24'],
      ['d', '10.1.2.100/24', '10.1.2.100/24'],
    ] as const) {
      const env = { CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAME=x;IP=${IP}` };
      expect(addressesOf(call('ADD', id, config(twoSets), env))).toContain(expected);
    }
  });

  it('begins with the first and ends with the last address but broadcast', () => {
    for (const [subnet, range] of [
      ['10.1.2.0/24', '10.1.2.1-10.1.2.254'],
      ['10.1.2.0/25', '10.1.2.1-10.1.2.126'],
      ['2001:db8:1::/64', '2001:db8:1::1-2001:db8:1:0:ffff:ffff:ffff:ffff'],
    ] as const) {
      const [first = '', last = ''] = range.split('-');
      seed(someone(last));
      const asking = (ip: string): unknown =>
        addressesOf(call('ADD', 'a', config({ subnet }), { CNI_ARGS: `IP=${ip}` }));
      expect(asking(first)).toContain(`requested ip ${first} is subnet's gateway`);
      expect(asking(last)).toContain(`is not available in range set ${range}`);
    }
  });

  it.each([
    [[[{ subnet: '10.1.2.0/24' }], [{ subnet: '10.1.2.0/24' }]], 'range set 0 overlaps with 1'],
    [[[{ subnet: '10.0.0.0/24' }], [{ subnet: '10.0.0.0/16' }]], 'range set 0 overlaps with 1'],
    [
      [[{ subnet: '10.1.2.0/24' }, { subnet: '10.1.2.0/25' }]],
      'invalid range set 0: subnets 10.1.2.1-10.1.2.254 and 10.1.2.1-10.1.2.126 overlap',
    ],
    [
      [
        [
          { subnet: '10.1.2.0/24', rangeEnd: '10.1.2.9' },
          { subnet: '10.1.2.0/24', rangeStart: '10.1.2.10' },
        ],
      ],
      ['10.1.2.2/24'],
    ],
    // The same bits, in another family.
    [
      [[{ subnet: '10.0.0.0/24' }], [{ subnet: '0a00::/24' }]],
      ['10.0.0.2/24', 'a00::2/24'],
    ],
    [
      [[{ subnet: '10.0.0.0/24' }, { subnet: 'fd00::/64' }]],
      'invalid range set 0: mixed address families',
    ],
    [[[]], 'invalid range set 0: empty range set'],
  ])('tells sets that overlap: %j', (ranges, expected) => {
    expect(addressesOf(call('ADD', 'a', config({ ranges })))).toEqual(expected);
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
      { subnet: 'fd00::/127' },
      'invalid range set 0: Network fd00::/127 too small to allocate from',
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
      { subnet: '10.1.2.0/24', rangeStart: '10.1.2.9', rangeEnd: '10.1.2.3' },
      'invalid range set 0: RangeStart 10.1.2.9 not in network 10.1.2.0/24',
    ],
    [{}, 'no IP ranges specified'],
    [
      { subnet: 'x' },
      'invalid range set 0: ipam.subnet: expected an IP prefix such as 10.1.0.0/16, got "x"',
    ],
    [{ subnet: '' }, 'invalid range set 0: ipam.subnet: expected an IP prefix, got ""'],
    [
      { ranges: [[{ subnet: 7 }]] },
      'invalid range set 0: ipam.ranges[0][0].subnet: expected a string, got 7',
    ],
    [{ ranges: [{}] }, 'ipam.ranges[0]: expected a list of ranges, got {}'],
    [
      { subnet: '10.1.2.0/24', resolvConf: '/nonexistent' },
      /^ipam\.resolvConf: expected a file that can be read \(ENOENT.*\), got "\/nonexistent"$/,
    ],
    [
      { subnet: '10.1.2.0/24', resolvConf: '/dev/zero' },
      'ipam.resolvConf: expected a file of at most 65536 bytes, got "/dev/zero"',
    ],
  ])('refuses %j', (ipam, message) => {
    const { json } = call('ADD', 'a', config(ipam));
    const { code, msg, details } = json as { code: number; msg: string; details?: string };
    expect(code).toBe(7);
    if (typeof message === 'string') expect(msg).toBe(message);
    else expect(msg).toMatch(message);
    // Where the reference's words do not say which field is meant, the details do.
    expect(`${msg} ${details ?? ''}`).toMatch(/ipam\..*: expected .*/);
    expect(files()).toEqual([]);
  });

  it('holds prevResult against what is reserved', () => {
    const conf = config(dual);
    const { json } = call('ADD', 'a', conf);
    const text = 'host-local: Failed to find address added by container a';
    const check = (id: string, more: object = {}): PluginAnswer =>
      call('CHECK', id, { ...conf, ...more });
    expect(check('a', { prevResult: json })).toMatchObject(success);
    expect(check('a')).toMatchObject(success);
    expect(check('b').json).toEqual({ code: 999, msg: text.replace('container a', 'container b') });
    // Addresses of other ranges, and of other interfaces, come from elsewhere.
    const others = {
      ...json,
      interfaces: [{ name: 'eth0' }, { name: 'eth1' }],
      ips: [
        ...(json.ips as object[]),
        { address: '192.0.2.1/24' },
        { address: '10.1.2.77/24', interface: 1 },
      ],
    };
    expect(check('a', { prevResult: others })).toMatchObject(success);
    seed(someone('2001:db8:1::2'));
    expect(check('a', { prevResult: json }).json).toEqual({
      code: 999,
      msg: text,
      details: '2001:db8:1::2 is not reserved for it',
    });
    expect(check('a', { name: 'never' }).json.msg).toBe(text);
    expect(existsSync(join(fixture.dataDir, 'never'))).toBe(false);
  });

  it('frees what GC is not told of', () => {
    const conf = config(small);
    for (const id of ['a', 'b', 'c']) call('ADD', id, conf);
    seed({ '10.1.2.5': 'old', '10.1.2.6': 'gone' });
    const valid = [
      { containerID: 'b', ifname: 'eth0' },
      { containerID: 'old', ifname: 'eth0' },
      { containerID: 'a', ifname: 'eth7' },
    ];
    const answer = call('GC', '', { ...conf, 'cni.dev/valid-attachments': valid });
    expect(answer).toMatchObject(success);
    expect(reserved()).toEqual(['10.1.2.3', '10.1.2.5']);
    expect(call('GC', '', conf)).toMatchObject(success);
    expect(files()).toEqual(['last_reserved_ip.0', 'lock']);
  });

  it('keeps two hundred parallel ADDs apart, and leaves nothing after as many DELs', async () => {
    const conf = config({ subnet: '10.1.0.0/16' });
    const all = (verb: string): Promise<PluginAnswer[]> =>
      Promise.all(
        Array.from({ length: 200 }, (_, index) => {
          const env = environmentOf(`pod-${index}`);
          return startPlugin({ type: 'host-local', verb, config: conf, env });
        }),
      );
    const added = await all('ADD');
    const given = added.map((answer) => String(addressesOf(answer)));
    expect(new Set(given).size).toBe(200);
    expect(given.every((address) => address.startsWith('10.1.0.'))).toBe(true);
    expect((await all('DEL')).every(({ status }) => status === 0)).toBe(true);
    expect(files()).toEqual(['last_reserved_ip.0', 'lock']);
  }, 180_000);
});
