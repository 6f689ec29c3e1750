import { describe, expect, it } from 'vitest';
import {
  familyByName,
  GenericFamilyMissingError,
  openGeneric,
} from '../../../src/netlink/generic/family.ts';
import { useNetns } from '../netns-fixture.ts';

const fixture = useNetns('generic');

describe('a family of generic netlink', () => {
  it('is found by name, as genl(8) lists it', () => {
    using connection = openGeneric(fixture.netns);
    const family = familyByName(connection, 'nlctrl');
    const text = fixture.exec('genl', 'ctrl', 'get', 'name', 'nlctrl');
    const [, id] = /ID: (0x[0-9a-f]+)/.exec(text) ?? [];
    const [, version] = /Version: (0x[0-9a-f]+)/.exec(text) ?? [];
    const commands = [...text.matchAll(/#\d+: {2}ID-(0x[0-9a-f]+)/g)].map(([, each]) => each);
    const groups = [...text.matchAll(/#\d+: {2}ID-(0x[0-9a-f]+) {2}name: (\S+)/g)];
    expect(family.name).toBe('nlctrl');
    expect(family.id).toBe(Number(id));
    expect(family.version).toBe(Number(version));
    expect(family.groups).toEqual(
      new Map(groups.map(([, number, name]) => [name, Number(number)])),
    );
    expect(family.groups.size).toBeGreaterThan(0);
    expect(family.commands.length + family.groups.size).toBe(commands.length);
    expect(family.commands).toEqual(commands.slice(0, family.commands.length).map(Number));
  });

  it('is missed with the name of the module that would have it', () => {
    using connection = openGeneric(fixture.netns);
    expect(() => familyByName(connection, 'no-such', 'some_module')).toThrow(
      'the kernel has no generic netlink family "no-such"; is the module some_module loaded?',
    );
    expect(() => familyByName(connection, 'no-such')).toThrow(GenericFamilyMissingError);
  });
});
