import { describe, expect, it } from 'vitest';
import { parseAddr } from '../../../src/ipaddr/parse-addr.ts';
import { Batch } from '../../../src/netlink/nftables/batch.ts';
import {
  chainList,
  elementList,
  NftablesConnection,
  ruleList,
  setList,
  tableList,
} from '../../../src/netlink/nftables/connection.ts';
import { jump, loadPayload, lookup, masquerade } from '../../../src/netlink/nftables/expression.ts';
import { concat, INET_SERVICE, IPV4_ADDR } from '../../../src/netlink/nftables/types.ts';
import { useNetns } from '../netns-fixture.ts';

const fixture = useNetns('nft');
const pair = { name: 'pair', comment: 'for a test', key: IPV4_ADDR, data: undefined };

describe('a batch', () => {
  it('is what nft(8) prints and what we list', () => {
    using connection = NftablesConnection.open(fixture.netns);
    const batch = new Batch(connection);
    batch.tableAdd(4, 't', 'a table');
    batch.setAdd(4, 't', pair);
    batch.elementsAdd(4, 't', 'pair', [
      { key: parseAddr('192.0.2.1').toBytes(), data: undefined },
      { key: parseAddr('192.0.2.2').toBytes(), data: undefined },
    ]);
    const data = concat(IPV4_ADDR, INET_SERVICE);
    batch.setAdd(4, 't', { name: 'where', comment: 'c', key: INET_SERVICE, data });
    batch.chainAdd(4, 't', 'inner', 'a chain');
    batch.ruleAdd(
      4,
      't',
      'inner',
      [loadPayload(1, 12, 4, 0), lookup('pair', 0), masquerade()],
      'r',
    );
    batch.chainAdd(4, 't', 'post', 'base', { type: 'nat', number: 4, priority: 100 });
    batch.ruleAdd(4, 't', 'post', [jump('inner')], 'to inner');
    batch.commit();

    expect(fixture.exec('nft', 'list', 'table', 'ip', 't')).toBe(`table ip t {
	comment "a table"
	set pair {
		type ipv4_addr
		comment "for a test"
		elements = { 192.0.2.1, 192.0.2.2 }
	}

	map where {
		type inet_service : ipv4_addr . inet_service
		comment "c"
	}

	chain inner {
		comment "a chain"
		ip saddr @pair masquerade fully-random comment "r"
	}

	chain post {
		comment "base"
		type nat hook postrouting priority srcnat; policy accept;
		jump inner comment "to inner"
	}
}
`);
    expect(tableList(connection, 4)).toEqual(['t']);
    expect(tableList(connection, 6)).toEqual([]);
    expect(chainList(connection, 4, 't')).toEqual([
      { name: 'inner', type: undefined, hook: undefined },
      { name: 'post', type: 'nat', hook: { number: 4, priority: 100 } },
    ]);
    expect(setList(connection, 4, 't').map((set) => set.name)).toEqual(['pair', 'where']);
    expect(elementList(connection, 4, 't', 'pair')).toHaveLength(2);
    expect(
      ruleList(connection, 4, 't')
        .get('inner')?.[0]
        ?.map((each) => each.name),
    ).toEqual(['payload', 'lookup', 'masq']);
  });

  it('is applied whole or not at all, and the refusal says what was refused', () => {
    using connection = NftablesConnection.open(fixture.netns);
    const batch = new Batch(connection);
    batch.tableAdd(4, 't', 'a table');
    batch.chainAdd(4, 't', 'inner', 'a chain');
    batch.ruleAdd(4, 't', 'inner', [lookup('nowhere', 0)], 'r');
    expect(() => batch.commit()).toThrow(/add rule to inner: ENOENT/);
    expect(tableList(connection, 4)).toEqual([]);
  });

  it('carries more elements than one message holds', () => {
    using connection = NftablesConnection.open(fixture.netns);
    const batch = new Batch(connection);
    batch.tableAdd(4, 't', 'a table');
    batch.setAdd(4, 't', pair);
    const keys = Array.from({ length: 20_000 }, (_, index) =>
      Uint8Array.of(10, 0, index >> 8, index & 255),
    );
    batch.elementsAdd(
      4,
      't',
      'pair',
      keys.map((key) => ({ key, data: undefined })),
    );
    batch.commit();
    expect(elementList(connection, 4, 't', 'pair')).toHaveLength(keys.length);
    const smaller = new Batch(connection);
    smaller.elementsDel(4, 't', 'pair', keys.slice(1));
    smaller.commit();
    expect(elementList(connection, 4, 't', 'pair')).toEqual([{ key: keys[0], data: undefined }]);
  });

  it('does nothing when it is empty, and lists nothing where there is no table', () => {
    using connection = NftablesConnection.open(fixture.netns);
    new Batch(connection).commit();
    expect(elementList(connection, 4, 'none', 'none')).toEqual([]);
    expect(setList(connection, 6, 'none')).toEqual([]);
  });
});
