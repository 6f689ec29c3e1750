import { describe, expect, it } from 'vitest';
import { parseAddr } from '../../../../src/ipaddr/parse-addr.ts';
import { Batch } from '../../../../src/netlink/nftables/batch.ts';
import {
  BatchError,
  GenerationChangedError,
} from '../../../../src/netlink/nftables/batch-error.ts';
import { generationGet, NftablesConnection } from '../../../../src/netlink/nftables/connection.ts';
import { loadPayload } from '../../../../src/netlink/nftables/expression/load.ts';
import { lookup } from '../../../../src/netlink/nftables/expression/match.ts';
import { masquerade } from '../../../../src/netlink/nftables/expression/nat.ts';
import { counter } from '../../../../src/netlink/nftables/expression/stateful.ts';
import {
  ACCEPT,
  CONTINUE,
  DROP,
  jumpTo,
  RETURN,
  verdict,
} from '../../../../src/netlink/nftables/expression/verdict.ts';
import {
  chainList,
  elementList,
  ruleList,
  setList,
  tableList,
} from '../../../../src/netlink/nftables/list.ts';
import { transaction } from '../../../../src/netlink/nftables/transaction.ts';
import { concat, INET_SERVICE, IPV4_ADDR } from '../../../../src/netlink/nftables/types.ts';
import { useNetns } from '../../netns-fixture.ts';

const fixture = useNetns('nft');
const table = { family: 'ip', name: 't' } as const;
const pair = { name: 'pair', comment: 'for a test', key: IPV4_ADDR };

describe('a batch', () => {
  it('is what nft(8) prints and what we list', () => {
    using connection = NftablesConnection.open(fixture.netns);
    const batch = new Batch(connection);
    batch.tableAdd({ ...table, comment: 'a table' });
    batch.setAdd(table, pair);
    batch.elementsAdd(table, pair, [
      { key: parseAddr('192.0.2.1').toBytes() },
      { key: parseAddr('192.0.2.2').toBytes() },
    ]);
    const data = concat(IPV4_ADDR, INET_SERVICE);
    batch.setAdd(table, { name: 'where', comment: 'c', key: INET_SERVICE, data });
    batch.chainAdd(table, { name: 'inner', comment: 'a chain' });
    batch.ruleAdd(table, 'inner', {
      expressions: [
        loadPayload('network', 12, 4, 0),
        lookup('pair', 0),
        masquerade({ flags: ['fully-random'] }),
      ],
      comment: 'r',
    });
    const hook = { type: 'nat', hook: 'postrouting', priority: 100 } as const;
    batch.chainAdd(table, { name: 'post', comment: 'base', hook });
    batch.ruleAdd(table, 'post', { expressions: [verdict(jumpTo('inner'))], comment: 'to inner' });
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
    expect(tableList(connection, 'ip').map(({ name, comment }) => [name, comment])).toEqual([
      ['t', 'a table'],
    ]);
    expect(tableList(connection, 'ip6')).toEqual([]);
    expect(chainList(connection, table)).toMatchObject([
      { name: 'inner', comment: 'a chain', useCount: 2 },
      { name: 'post', comment: 'base', hook },
    ]);
    expect(setList(connection, table).map((set) => set.name)).toEqual(['pair', 'where']);
    expect(elementList(connection, table, pair)).toHaveLength(2);
    expect(ruleList(connection, table, 'inner')[0]?.expressions.map(({ name }) => name)).toEqual([
      'payload',
      'lookup',
      'masq',
    ]);
  });

  it('puts rules where it is told, replaces and deletes them by their handles', () => {
    using connection = NftablesConnection.open(fixture.netns);
    const rule = (comment: string) => ({ comment, expressions: [counter()] });
    const order = () => ruleList(connection, table, 'c').map(({ comment }) => comment);
    const handleOf = (comment: string): bigint => {
      const found = ruleList(connection, table, 'c').find((each) => each.comment === comment);
      if (found === undefined) throw new Error(`no rule "${comment}"`);
      return found.handle;
    };
    const apply = (change: (batch: Batch) => void): void => {
      const batch = new Batch(connection);
      change(batch);
      batch.commit();
    };
    apply((batch) => {
      batch.tableAdd(table);
      batch.chainAdd(table, { name: 'c' });
      batch.ruleAdd(table, 'c', rule('b'));
      batch.ruleAdd(table, 'c', rule('d'));
      batch.ruleInsert(table, 'c', rule('a'));
    });
    expect(order()).toEqual(['a', 'b', 'd']);
    apply((batch) => {
      batch.ruleAdd(table, 'c', rule('c'), handleOf('b'));
      batch.ruleInsert(table, 'c', rule('a2'), handleOf('b'));
    });
    expect(order()).toEqual(['a', 'a2', 'b', 'c', 'd']);
    apply((batch) => {
      batch.ruleReplace(table, 'c', handleOf('c'), rule('C'));
      batch.ruleDel(table, 'c', handleOf('a2'));
    });
    expect(order()).toEqual(['a', 'b', 'C', 'd']);
    apply((batch) => {
      batch.chainFlush(table, 'c');
      batch.chainDel(table, 'c');
    });
    expect(chainList(connection, table)).toEqual([]);
  });

  it('is applied whole or not at all, and the refusal says what was refused, and why', () => {
    using connection = NftablesConnection.open(fixture.netns);
    const batch = new Batch(connection);
    batch.tableAdd(table);
    batch.chainAdd(table, { name: 'inner' });
    batch.ruleAdd(table, 'inner', {
      expressions: [loadPayload('network', 12, 4, 0), lookup('nowhere', 0)],
      comment: 'r',
    });
    batch.chainDel(table, 'none');
    let error: unknown;
    try {
      batch.commit();
    } catch (caught) {
      error = caught;
    }
    expect(String(error)).toBe(
      'BatchError: add rule "r" of chain inner of table ip t: ENOENT (at expressions[1]; ' +
        'also delete chain none of table ip t: ENOENT (at name))',
    );
    expect(error).toBeInstanceOf(BatchError);
    expect((error as BatchError).faults.map(({ index }) => index)).toEqual([2, 3]);
    expect(tableList(connection)).toEqual([]);
  });

  it('names the element that was refused by its key', () => {
    using connection = NftablesConnection.open(fixture.netns);
    const batch = new Batch(connection);
    batch.tableAdd(table);
    batch.setAdd(table, pair);
    const keys = Array.from({ length: 5000 }, (_, index) =>
      Uint8Array.of(10, 0, index >> 8, index & 255),
    );
    const elements = keys.map((key) => ({ key }));
    batch.elementsCreate(table, pair, elements);
    batch.elementsCreate(table, pair, elements.slice(4321, 4322));
    expect(() => batch.commit()).toThrow(
      'create elements of set pair of table ip t: EEXIST (at elements[0], key 0a0010e1)',
    );
    expect(tableList(connection)).toEqual([]);
  });

  it('carries more elements than one message holds', () => {
    using connection = NftablesConnection.open(fixture.netns);
    const batch = new Batch(connection);
    batch.tableAdd(table);
    batch.setAdd(table, pair);
    const elements = Array.from({ length: 20_000 }, (_, index) => ({
      key: Uint8Array.of(10, 0, index >> 8, index & 255),
    }));
    batch.elementsAdd(table, pair, elements);
    batch.commit();
    expect(elementList(connection, table, pair)).toHaveLength(elements.length);
    const smaller = new Batch(connection);
    smaller.elementsDel(table, pair, elements.slice(1));
    smaller.commit();
    expect(elementList(connection, table, pair)).toEqual(elements.slice(0, 1));
    const none = new Batch(connection);
    none.setFlush(table, 'pair');
    none.commit();
    expect(elementList(connection, table, pair)).toEqual([]);
    const gone = new Batch(connection);
    gone.setDel(table, 'pair');
    gone.commit();
    expect(setList(connection, table)).toEqual([]);
  });

  it('carries elements with the longest comments there are', () => {
    using connection = NftablesConnection.open(fixture.netns);
    const batch = new Batch(connection);
    batch.tableAdd(table);
    batch.setAdd(table, pair);
    const elements = Array.from({ length: 1000 }, (_, index) => ({
      key: Uint8Array.of(10, 0, index >> 8, index & 255),
      comment: 'x'.repeat(128),
    }));
    batch.elementsAdd(table, pair, elements);
    batch.commit();
    expect(elementList(connection, table, pair)).toHaveLength(elements.length);
    expect(() => batch.chainAdd(table, { name: 'c', comment: 'x'.repeat(129) })).toThrow(
      'nftables comment of 129 bytes, expected at most 128',
    );
  });

  it('does nothing when it is empty, and lists nothing where there is no table', () => {
    using connection = NftablesConnection.open(fixture.netns);
    new Batch(connection).commit();
    const none = { family: 'ip6', name: 'none' } as const;
    expect(elementList(connection, none, pair)).toEqual([]);
    expect(setList(connection, none)).toEqual([]);
    expect(chainList(connection, none)).toEqual([]);
    expect(ruleList(connection, none)).toEqual([]);
  });
});

describe('a batch at a generation', () => {
  it('is applied only while nobody else changed anything', () => {
    using connection = NftablesConnection.open(fixture.netns);
    const generation = generationGet(connection);
    fixture.exec('nft', 'add', 'table', 'ip', 'theirs');
    expect(generationGet(connection)).not.toBe(generation);
    const batch = new Batch(connection);
    batch.tableAdd(table);
    expect(() => batch.commit({ generation })).toThrow(GenerationChangedError);
    expect(tableList(connection).map(({ name }) => name)).toEqual(['theirs']);
  });

  it('is built anew when another change came first', () => {
    using connection = NftablesConnection.open(fixture.netns);
    let builds = 0;
    const seen = transaction(connection, (batch) => {
      builds += 1;
      const names = tableList(connection).map(({ name }) => name);
      batch.tableAdd({ family: 'ip', name: `t${names.length}` });
      if (builds <= 2) fixture.exec('nft', 'add', 'table', 'ip', `theirs${builds}`);
      return names;
    });
    expect(builds).toBe(3);
    expect(seen).toEqual(['theirs1', 'theirs2']);
    expect(tableList(connection).map(({ name }) => name)).toEqual(['theirs1', 'theirs2', 't2']);
  });

  it('is given up when others are always faster', () => {
    using connection = NftablesConnection.open(fixture.netns);
    using other = NftablesConnection.open(fixture.netns);
    let builds = 0;
    const always = (batch: Batch): void => {
      builds += 1;
      batch.tableAdd(table);
      const faster = new Batch(other);
      faster.tableAdd({ family: 'ip6', name: `t${builds}` });
      faster.commit();
    };
    expect(() => transaction(connection, always)).toThrow(GenerationChangedError);
    expect(builds).toBe(10);
    expect(tableList(connection, 'ip')).toEqual([]);
  });
});

describe('verdicts', () => {
  it('are what nft(8) prints', () => {
    using connection = NftablesConnection.open(fixture.netns);
    const batch = new Batch(connection);
    batch.tableAdd(table);
    batch.chainAdd(table, { name: 'c' });
    for (const each of [ACCEPT, DROP, CONTINUE, RETURN]) {
      batch.ruleAdd(table, 'c', { expressions: [verdict(each)] });
    }
    batch.commit();
    expect(fixture.exec('nft', 'list', 'chain', 'ip', 't', 'c')).toContain(
      '\t\taccept\n\t\tdrop\n\t\tcontinue\n\t\treturn\n',
    );
  });
});
