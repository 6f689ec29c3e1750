import { describe, expect, it } from 'vitest';
import { useBridge } from './bridge-fixture.ts';

/* Every field of bridge that can be wrong: the refusal names it, what is there and what was expected. */

const fixture = useBridge('conf');
const { call, config } = fixture;

const name = "a link's name: 1 to 15 bytes without / : and space";
const mac = "one interface's MAC address, such as 0a:58:0a:f4:00:02";
const mtu = '0 or 68 to 65535 bytes';

const BOOLEANS = [
  'isGateway',
  'isDefaultGateway',
  'forceAddress',
  'ipMasq',
  'hairpinMode',
  'promiscMode',
  'preserveDefaultVlan',
  'macspoofchk',
  'enabledad',
  'disableContainerInterface',
  'portIsolation',
];

const wrongs: readonly (readonly [object, string])[] = [
  ...BOOLEANS.map(
    (key) => [{ [key]: 'yes' }, `${key}: expected true or false, got "yes"`] as const,
  ),
  [{ bridge: 5 }, 'bridge: expected a string, got 5'],
  ...['sixteen-bytes-it', '.', 'a/b', 'a:b', 'a b'].map(
    (bridge) => [{ bridge }, `bridge: expected ${name}, got ${JSON.stringify(bridge)}`] as const,
  ),
  [
    { bridge: 'twelve-bytes', vlan: 100 },
    'bridge: expected a name with room for ".100" in 15 bytes, got "twelve-bytes"',
  ],
  [{ mtu: '1500' }, 'mtu: expected a whole number, got "1500"'],
  [{ mtu: 1.5 }, 'mtu: expected a whole number, got 1.5'],
  [{ mtu: -1 }, `mtu: expected ${mtu}, got -1`],
  [{ mtu: 67 }, `mtu: expected ${mtu}, got 67`],
  [{ mtu: 65536 }, `mtu: expected ${mtu}, got 65536`],
  [{ vlan: '7' }, 'vlan: expected a whole number, got "7"'],
  [{ vlanTrunk: 5 }, 'vlanTrunk: expected a list, got 5'],
  [{ vlanTrunk: [5] }, 'vlanTrunk[0]: expected an object, got 5'],
  [{ vlanTrunk: [{ id: 'x' }] }, 'vlanTrunk[0].id: expected a whole number, got "x"'],
  [{ ipMasqBackend: 5 }, 'ipMasqBackend: expected a string, got 5'],
  [{ mac: 5 }, 'mac: expected a string, got 5'],
  [{ mac: '0a:0' }, `mac: expected ${mac}, got "0a:0"`],
  [{ mac: '01:00:5e:00:00:01' }, `mac: expected ${mac}, got "01:00:5e:00:00:01"`],
  [{ mac: '00:00:00:00:00:00' }, `mac: expected ${mac}, got "00:00:00:00:00:00"`],
  [{ runtimeConfig: 5 }, 'runtimeConfig: expected an object, got 5'],
  [{ runtimeConfig: { mac: 'x' } }, `runtimeConfig.mac: expected ${mac}, got "x"`],
  [{ args: 5 }, 'args: expected an object, got 5'],
  [{ args: { cni: 5 } }, 'args.cni: expected an object, got 5'],
  [{ args: { cni: { mac: 'x' } } }, `args.cni.mac: expected ${mac}, got "x"`],
  [{ dns: 5 }, 'dns: expected an object, got 5'],
  [{ dns: { nameservers: '192.0.2.1' } }, 'dns.nameservers: expected a list, got "192.0.2.1"'],
  [{ dns: { search: [5] } }, 'dns.search[0]: expected a string, got 5'],
  [{ dns: { options: [true] } }, 'dns.options[0]: expected a string, got true'],
  [{ dns: { domain: 5 } }, 'dns.domain: expected a string, got 5'],
  [{ ipam: 5 }, 'ipam: expected an object, got 5'],
  [{ ipam: { type: 5 } }, 'ipam.type: expected a string, got 5'],
  [{ ipam: { type: 'bridge' } }, 'ipam.type: expected an IPAM plugin, got "bridge"'],
];

/** Those that the reference refuses too, in its words. */
const refusals: readonly (readonly [object, string, string])[] = [
  ...[-100, 5000].map(
    (vlan) =>
      [
        { vlan },
        `invalid VLAN ID ${vlan} (must be between 0 and 4094)`,
        `vlan: expected a number from 0 to 4094, got ${vlan}`,
      ] as const,
  ),
  [
    { vlanTrunk: [{ minID: 5 }] },
    'minID and maxID should be configured simultaneously, maxID is missing',
    'vlanTrunk[0].maxID: expected a VLAN from 1 to 4094, got nothing',
  ],
  [
    { vlanTrunk: [{ id: 9 }, { maxID: 5 }] },
    'minID and maxID should be configured simultaneously, minID is missing',
    'vlanTrunk[1].minID: expected a VLAN from 1 to 4094, got nothing',
  ],
  ...(['id', 'minID', 'maxID'] as const).map(
    (key) =>
      [
        { vlanTrunk: [{ id: 1, minID: 1, maxID: 2, [key]: 4095 }] },
        `incorrect trunk ${key} parameter`,
        `vlanTrunk[0].${key}: expected a VLAN from 1 to 4094, got 4095`,
      ] as const,
  ),
  [
    { vlanTrunk: [{ id: 0 }] },
    'incorrect trunk id parameter',
    'vlanTrunk[0].id: expected a VLAN from 1 to 4094, got 0',
  ],
  [
    { vlanTrunk: [{ minID: 9, maxID: 5 }] },
    'minID is greater than maxID in trunk parameter',
    'vlanTrunk[0].minID: expected a VLAN up to maxID, 5, got 9',
  ],
  [
    { hairpinMode: true, promiscMode: true },
    'cannot set hairpin mode and promiscuous mode at the same time',
    'promiscMode: expected false where hairpinMode is true, got true',
  ],
  [
    { disableContainerInterface: true },
    'cannot use IPAM when DisableContainerInterface flag is set',
    'disableContainerInterface: expected false where there is IPAM, got true',
  ],
  [
    { ipMasqBackend: 'x' },
    'unknown ipmasq backend "x"',
    'ipMasqBackend: expected nftables or iptables, got "x"',
  ],
];

describe('bridge refuses, and makes nothing', () => {
  it.each(wrongs)('%j', (more, msg) => {
    for (const verb of ['ADD', 'STATUS']) {
      expect(call(verb, config(more))).toMatchObject({ status: 1, json: { code: 7, msg } });
    }
    expect(fixture.ip('link').map(({ ifname }) => ifname)).toEqual(['lo']);
  });

  it.each(refusals)('%j, as the reference', (more, msg, details) => {
    expect(call('ADD', config(more)).json).toEqual({ code: 7, msg, details });
    expect(fixture.ip('link').map(({ ifname }) => ifname)).toEqual(['lo']);
  });

  it('a MAC address of CNI_ARGS', () => {
    expect(call('ADD', config(), { CNI_ARGS: 'MAC=x' }).json).toEqual({
      code: 4,
      msg: `CNI_ARGS.MAC: expected ${mac}, got "x"`,
    });
  });
});
