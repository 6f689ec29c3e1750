import { describe, expect, it } from 'vitest';
import { readFeatures, setFeatures, UnknownFeatureError } from '../../../src/sys/ethtool.ts';
import { InterfaceNameError } from '../../../src/sys/interface-request.ts';
import { tapAdd } from '../../../src/sys/tap.ts';
import { useNetns } from '../netns-fixture.ts';

const fixture = useNetns('devices');
const inside = <T>(work: () => T): T => fixture.netns.run(work);

describe('tapAdd', () => {
  it('makes a link that ip(8) describes as asked, and that stays', () => {
    inside(() =>
      tapAdd({ name: 'tap0', mode: 'tap', owner: 54321, group: 54322, multiQueue: true }),
    );
    inside(() => tapAdd({ name: 'tun0', mode: 'tun', virtioHeader: true }));
    const seen = JSON.parse(fixture.exec('ip', '-j', '-d', 'link')) as Record<string, unknown>[];
    expect(seen).toContainEqual(
      expect.objectContaining({
        ifname: 'tap0',
        linkinfo: {
          info_kind: 'tun',
          info_data: {
            type: 'tap',
            pi: false,
            vnet_hdr: false,
            multi_queue: true,
            numqueues: 0,
            numdisabled: 0,
            persist: true,
            user: 54321,
            group: 54322,
          },
        },
      }),
    );
    expect(seen).toContainEqual(
      expect.objectContaining({
        ifname: 'tun0',
        linkinfo: {
          info_kind: 'tun',
          info_data: {
            type: 'tun',
            pi: false,
            vnet_hdr: true,
            multi_queue: false,
            persist: true,
          },
        },
      }),
    );
  });

  it('refuses a name that is taken, and one that no link can have', () => {
    inside(() => tapAdd({ name: 'tap0', mode: 'tap' }));
    expect(() => inside(() => tapAdd({ name: 'tap0', mode: 'tap' }))).toThrow(
      'ioctl(TUNSETIFF, tap0): EBUSY',
    );
    for (const name of ['', 'a/b', 'a b', '..', 'sixteen-bytes-xx']) {
      expect(() => tapAdd({ name, mode: 'tap' })).toThrow(InterfaceNameError);
    }
  });
});

describe('features', () => {
  /** The lines of `ethtool -k`, those of the kernel's own names. */
  function witness(link: string): Map<string, { active: boolean; fixed: boolean }> {
    const lines = fixture.exec('ethtool', '-k', link).split('\n');
    return new Map(
      lines
        .map((line) => /^\s*([\w-]+): (on|off)( \[fixed\])?/.exec(line))
        .filter((match) => match !== null)
        .map(([, name = '', state, fixed]) => [
          name,
          { active: state === 'on', fixed: fixed !== undefined },
        ]),
    );
  }

  it('are those ethtool(8) shows', () => {
    fixture.exec('ip', 'link', 'add', 'v0', 'type', 'veth', 'peer', 'v1');
    const ours = inside(() => readFeatures('v0'));
    const theirs = witness('v0');
    expect(ours.size).toBeGreaterThan(40);
    let compared = 0;
    for (const [name, feature] of ours) {
      const seen = theirs.get(name);
      // ethtool prints some under names of its own, such as rx-checksumming.
      if (seen === undefined) continue;
      expect({ name, ...feature }).toEqual({ name, ...seen });
      compared += 1;
    }
    expect(compared).toBeGreaterThan(35);
  });

  it('are switched, and what cannot be switched is named', () => {
    fixture.exec('ip', 'link', 'add', 'v0', 'type', 'veth', 'peer', 'v1');
    expect(witness('v0').get('tx-checksum-ip-generic')?.active).toBe(true);
    expect(inside(() => setFeatures('v0', { 'tx-checksum-ip-generic': false }))).toEqual([]);
    expect(witness('v0').get('tx-checksum-ip-generic')?.active).toBe(false);
    expect(inside(() => setFeatures('v0', { 'tx-checksum-ip-generic': true }))).toEqual([]);
    expect(witness('v0').get('tx-checksum-ip-generic')?.active).toBe(true);
    const fixed = [...witness('v0')].find(([, { active, fixed }]) => fixed && !active)?.[0] ?? '';
    expect(inside(() => setFeatures('v0', { [fixed]: true }))).toEqual([fixed]);
  });

  it('name what is not there', () => {
    expect(() => inside(() => setFeatures('lo', { 'no-such': true }))).toThrow(UnknownFeatureError);
    expect(() => inside(() => readFeatures('nolink'))).toThrow(/nolink\): ENODEV/);
  });
});
