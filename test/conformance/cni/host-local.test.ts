import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SPEC_VERSIONS } from '../../../src/cni/protocol/version.ts';
import { callPlugin, startPlugin } from '../../integration/cni/plugin-fixture.ts';
import { needPeer, SIDES, type Side } from './sides.ts';

/*
 * host-local beside the reference: the same calls on both sides give the same answers and leave the
 * same files, and both can work on one directory.
 */

needPeer('cni-plugins');

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'podwire-peer-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** One call in a scenario. */
interface Step {
  readonly verb: string;
  readonly id: string;
  readonly ipam: object;
  readonly more?: object;
  readonly env?: Readonly<Record<string, string>>;
}

const add = (id: string, ipam: object, more: object = {}, env: Step['env'] = {}): Step => ({
  verb: 'ADD',
  id,
  ipam,
  more,
  env,
});

function call(side: Side, dataDir: string, step: Step) {
  return callPlugin({
    type: 'host-local',
    verb: step.verb,
    bin: SIDES[side],
    config: {
      cniVersion: '1.0.0',
      name: 'net',
      type: 'bridge',
      ...step.more,
      ipam: { type: 'host-local', dataDir, ...step.ipam },
    },
    env: { CNI_CONTAINERID: step.id, CNI_NETNS: '/run/netns/none', ...step.env },
  });
}

/** Name, permissions and content of every file. */
function filesOf(dataDir: string): string[] {
  const directory = join(dataDir, 'net');
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .sort()
    .map((name) => {
      const path = join(directory, name);
      const mode = (statSync(path).mode & 0o777).toString(8);
      return `${name} ${mode} ${JSON.stringify(readFileSync(path, 'utf8'))}`;
    });
}

/** What a side answered to every step, and the files it left. */
function play(side: Side, steps: readonly Step[], seed: Readonly<Record<string, string>>) {
  const dataDir = join(root, side);
  mkdirSync(join(dataDir, 'net'), { recursive: true });
  for (const [name, content] of Object.entries(seed))
    writeFileSync(join(dataDir, 'net', name), content, { mode: 0o600 });
  const answers = steps.map((step) => {
    const { status, json } = call(side, dataDir, step);
    return { status, json };
  });
  return { answers, files: filesOf(dataDir) };
}

const small = { subnet: '10.1.2.0/29' };
const taken = (...ips: string[]): Record<string, string> =>
  Object.fromEntries(ips.map((ip) => [ip, 'someone\r\neth0']));
const threeSets = {
  ranges: [
    [{ subnet: '10.1.2.0/24' }, { subnet: '10.2.2.0/24' }],
    [{ subnet: '2001:db8:1::/64' }],
    [{ subnet: '10.9.0.0/16', rangeStart: '10.9.3.9', rangeEnd: '10.9.4.9', gateway: '10.9.9.9' }],
  ],
  routes: [
    { dst: '0.0.0.0/0', gw: '10.1.2.254' },
    { dst: '192.168.0.0/16' },
    { dst: '2001:db8:2::0/64' },
  ],
};

const twoFamilies = { ...threeSets, ranges: threeSets.ranges.slice(0, 2) };

type Scenario = readonly [
  title: string,
  steps: readonly Step[],
  seed?: Readonly<Record<string, string>>,
];

const scenarios: readonly Scenario[] = [
  ['one range', [add('a', small), add('b', small), { verb: 'DEL', id: 'a', ipam: small }]],
  ['three range sets, routes', [add('a', threeSets), add('b', threeSets)]],
  ...SPEC_VERSIONS.map(
    (cniVersion) =>
      [
        `version ${cniVersion}`,
        [add('a', twoFamilies, { cniVersion }), { verb: 'DEL', id: 'a', ipam: twoFamilies }],
      ] as const,
  ),
  ['two interfaces of a container', [add('a', small), add('a', small, {}, { CNI_IFNAME: 'x' })]],
  ['ADD twice', [add('a', small), add('a', small)]],
  [
    'ADD twice, with the address that was given',
    [add('a', small), add('a', small, {}, { CNI_ARGS: 'IP=10.1.2.2' })],
  ],
  ['ADD twice, of what an old version wrote', [add('a', small)], { '10.1.2.4': 'a' }],
  ['an empty file', [add('a', small)], { '10.1.2.2': '' }],
  [
    'a torn file',
    [add('a', small), { verb: 'DEL', id: 'a', ipam: small }],
    { '10.1.2.2': 'a\r', 'last_reserved_ip.0': '10.1.' },
  ],
  ['files that are no addresses', [add('a', small)], { notes: 'x', '10.1.2.02': 'someone' }],
  [
    'the id alone, beside another interface',
    [
      { verb: 'DEL', id: 'a', ipam: small },
      { verb: 'DEL', id: 'a', ipam: small },
    ],
    { '10.1.2.2': 'a', '10.1.2.3': 'a\r\neth0', '10.1.2.4': 'b' },
  ],
  ['DEL of something unknown', [{ verb: 'DEL', id: 'zz', ipam: small }]],
  [
    'CHECK',
    [
      add('a', small),
      { verb: 'CHECK', id: 'a', ipam: small, more: { prevResult: { cniVersion: '1.0.0' } } },
      { verb: 'CHECK', id: 'b', ipam: small, more: { prevResult: { cniVersion: '1.0.0' } } },
    ],
  ],
  [
    'an address freed is used last',
    [add('a', small), { verb: 'DEL', id: 'a', ipam: small }, add('b', small)],
  ],
  ['a full range', [1, 2, 3, 4, 5, 6].map((id) => add(`c${id}`, small))],
  [
    'last .3, .4 and .5 taken',
    [add('a', small)],
    {
      ...taken('10.1.2.4', '10.1.2.5'),
      'last_reserved_ip.0': '10.1.2.3',
    },
  ],
  ['last outside the range', [add('a', small)], { 'last_reserved_ip.0': '10.9.9.9' }],
  ['last is no address', [add('a', small)], { 'last_reserved_ip.0': 'x' }],
  [
    'only the last is free',
    [add('a', small)],
    {
      ...taken('10.1.2.2', '10.1.2.3', '10.1.2.4', '10.1.2.6'),
      'last_reserved_ip.0': '10.1.2.5',
    },
  ],
  [
    'the id alone, as old versions wrote',
    [{ verb: 'DEL', id: 'a', ipam: small }],
    {
      '10.1.2.2': 'a',
    },
  ],
  [
    'an address in CNI_ARGS',
    [
      add('a', threeSets, {}, { CNI_ARGS: 'IgnoreUnknown=1;IP=10.1.2.99' }),
      add('b', threeSets, {}, { CNI_ARGS: 'IgnoreUnknown=1;IP=10.1.2.99' }),
    ],
  ],
  [
    'addresses in args and runtimeConfig',
    [
      add('a', threeSets, { args: { cni: { ips: ['10.1.2.88', '10.9.3.77'] } } }),
      add('b', threeSets, { runtimeConfig: { ips: ['10.2.2.7', '2001:db8:1::9/64'] } }),
      add('c', threeSets, { args: { cni: { ips: ['10.1.2.1'] } } }),
      add('d', threeSets, { args: { cni: { ips: ['10.77.0.1'] } } }),
    ],
  ],
  [
    'ranges from the runtime',
    [add('a', small, { runtimeConfig: { ipRanges: [[{ subnet: '10.7.0.0/24' }]] } })],
  ],
];

/** Both say the same; the reference has 999 for every error, the specification 7 for a bad configuration. */
function expectSameRefusal(steps: readonly Step[]): void {
  const [reference] = play('reference', steps, {}).answers;
  expect(reference).toMatchObject({ status: 1, json: { code: 999 } });
  const { answers, files } = play('podwire', steps, {});
  // Ours may have details, which name the field.
  expect(answers).toMatchObject([{ status: 1, json: { ...reference?.json, code: 7 } }]);
  // A DEL of ours frees before it refuses.
  expect(files.filter((file) => !file.startsWith('lock '))).toEqual([]);
}

describe('host-local beside the reference', () => {
  it.each(scenarios.map(([title, steps, seed = {}]) => [title, steps, seed] as const))(
    '%s',
    (_, steps, seed) => {
      expect(play('podwire', steps, seed)).toEqual(play('reference', steps, seed));
    },
  );

  it.each([
    { subnet: '10.1.2.3/24' },
    { subnet: '10.1.2.0/31' },
    { subnet: '10.1.2.0/24', rangeStart: '10.1.3.1' },
    { subnet: '10.1.2.0/24', rangeEnd: '10.1.3.1' },
    { subnet: '10.1.2.0/24', rangeStart: '10.1.2.9', rangeEnd: '10.1.2.3' },
    { ranges: [[{ subnet: '10.0.0.0/24' }], [{ subnet: '10.0.0.0/16' }]] },
    { ranges: [[{ subnet: '10.0.0.0/24' }], [{ subnet: '10.9.9.9/24' }]] },
    {},
  ])('refuses %j in the same words', (ipam) => expectSameRefusal([add('a', ipam)]));

  it.each(['0.1.0', '0.2.0'])('refuses two addresses of a family in version %s', (cniVersion) => {
    expectSameRefusal([add('a', threeSets, { cniVersion })]);
    expectSameRefusal([{ verb: 'DEL', id: 'a', ipam: threeSets, more: { cniVersion } }]);
  });

  it('reads resolvConf as the reference does', () => {
    const resolvConf = join(root, 'resolv.conf');
    const text =
      'domain d.example\n; c\n# c\nnameserver 192.0.2.3 x\nsearch a b\noptions ndots:5 y\n';
    writeFileSync(resolvConf, text);
    const steps = [add('a', { ...small, resolvConf })];
    expect(play('podwire', steps, {})).toEqual(play('reference', steps, {}));
  });
});

describe('host-local and the reference on one directory', () => {
  it('go on where the other stopped, and free what the other gave', () => {
    const dataDir = join(root, 'shared');
    const given = (['podwire', 'reference', 'podwire', 'reference'] as const).map(
      (side, index) => call(side, dataDir, add(`c${index}`, small)).json.ips,
    );
    expect(given).toEqual(
      [2, 3, 4, 5].map((last) => [{ address: `10.1.2.${last}/29`, gateway: '10.1.2.1' }]),
    );
    call('reference', dataDir, { verb: 'DEL', id: 'c0', ipam: small });
    call('podwire', dataDir, { verb: 'DEL', id: 'c1', ipam: small });
    expect(filesOf(dataDir).map((file) => file.split(' ')[0])).toEqual([
      '10.1.2.4',
      '10.1.2.5',
      'last_reserved_ip.0',
      'lock',
    ]);
  });

  it('give containers that come and go in parallel addresses of their own, and leave none behind', async () => {
    const dataDir = join(root, 'shared');
    const run = async (side: Side, verb: string, id: string): Promise<string | undefined> => {
      const { status, json } = await startPlugin({
        type: 'host-local',
        verb,
        bin: SIDES[side],
        config: {
          cniVersion: '1.0.0',
          name: 'net',
          type: 'bridge',
          ipam: { type: 'host-local', dataDir, subnet: '10.1.0.0/24' },
        },
        env: { CNI_CONTAINERID: id, CNI_NETNS: '/run/netns/none' },
      });
      expect([verb, status]).toEqual([verb, 0]);
      return (json.ips as { address: string }[] | undefined)?.[0]?.address;
    };
    const ids = Array.from({ length: 60 }, (_, index) => `c${index}`);
    const sidesOf = (index: number): [Side, Side] =>
      index % 2 === 0 ? ['podwire', 'reference'] : ['reference', 'podwire'];
    const given = await Promise.all(
      ids.map(async (id, index) => {
        const [one, other] = sidesOf(index);
        await run(one, 'ADD', id);
        await run(other, 'DEL', id);
        return run(other, 'ADD', id);
      }),
    );
    expect(new Set(given).size).toBe(ids.length);
    expect(given).not.toContain(undefined);
    await Promise.all(ids.map((id, index) => run(sidesOf(index)[0], 'DEL', id)));
    expect(filesOf(dataDir).map((file) => file.split(' ')[0])).toEqual([
      'last_reserved_ip.0',
      'lock',
    ]);
  }, 120_000);
});
